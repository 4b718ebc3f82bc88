//! Hosts in a few words, for suites that make them in code.

use std::path::{Path, PathBuf};

use super::case::{File, Host, Process};
use super::host;

/// A running program of the host.
pub fn process(exe: &str, words: &[&str]) -> Process {
    let name = exe.rsplit('/').next().unwrap_or_default();
    let argv = std::iter::once(&name).chain(words).map(|word| (*word).to_owned()).collect();
    Process { exe: Some(exe.to_owned()), argv, ..Process::default() }
}

/// A file with this text, 0600.
pub fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), mode: Some("0600".to_owned()), text: Some(text.to_owned()), ..File::default() }
}

/// Writes a host below `scratch` and says where.
pub fn host(scratch: &Path, processes: Vec<Process>, files: Vec<File>) -> PathBuf {
    let root = scratch.join("node");
    host::write(&root, &Host { processes, files, ..Host::default() });
    root
}

const KUBELET: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// A control-plane node whose components are all configured by files; each file answers one control.
pub fn configured() -> (Vec<Process>, Vec<Configured>) {
    let processes = vec![
        process(
            "/usr/bin/kube-apiserver",
            &[
                "--encryption-provider-config=/etc/kubernetes/enc.yaml",
                "--audit-log-path=/var/log/audit.log",
                "--audit-policy-file=/etc/kubernetes/policy.yaml",
                "--authentication-config=/etc/kubernetes/authn.yaml",
                "--authorization-config=/etc/kubernetes/authz.yaml",
                "--enable-admission-plugins=EventRateLimit",
                "--admission-control-config-file=/etc/kubernetes/admission.yaml",
            ],
        ),
        process("/usr/bin/kube-scheduler", &["--config=/etc/kubernetes/scheduler.yaml"]),
        process("/usr/bin/etcd", &["--config-file=/etc/etcd.yaml"]),
        process("/usr/bin/kubelet", &["--config=/var/lib/kubelet/config.yaml", "--config-dir=/etc/kubelet.d"]),
        process("/usr/bin/kube-proxy", &["--config=/var/lib/kube-proxy/config.conf"]),
    ];
    let files = vec![
        configuration(
            "/etc/kubernetes/enc.yaml",
            "1.2.27",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - kms: {apiVersion: v2, name: a, endpoint: \"unix:///run/kms.sock\"}\n",
        ),
        configuration(
            "/etc/kubernetes/policy.yaml",
            "3.2.1",
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n",
        ),
        configuration(
            "/etc/kubernetes/authn.yaml",
            "1.2.1",
            "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthenticationConfiguration\nanonymous: {enabled: false}\n",
        ),
        configuration(
            "/etc/kubernetes/authz.yaml",
            "1.2.8",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n- {type: Node, name: n}\n- {type: RBAC, name: r}\n",
        ),
        configuration(
            "/etc/kubernetes/admission.yaml",
            "1.2.9",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: EventRateLimit\n  configuration: {limits: [{type: Server, qps: 1, burst: 1}]}\n",
        ),
        configuration(
            "/etc/kubernetes/scheduler.yaml",
            "1.4.1",
            "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nenableProfiling: false\n",
        ),
        configuration("/etc/etcd.yaml", "2.3", "name: node\nclient-transport-security: {auto-tls: false}\n"),
        configuration("/var/lib/kubelet/config.yaml", "4.2.1", &format!("{KUBELET}readOnlyPort: 0\n")),
        configuration("/etc/kubelet.d/10.conf", "4.2.4", &format!("{KUBELET}maxPods: 100\n")),
        configuration(
            "/var/lib/kube-proxy/config.conf",
            "4.3.1",
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmetricsBindAddress: 127.0.0.1:10249\n",
        ),
    ];
    (processes, files)
}

/// A configuration file, and a control that passes on it.
pub struct Configured {
    pub file: File,
    pub control: &'static str,
}

fn configuration(path: &str, control: &'static str, text: &str) -> Configured {
    Configured { file: file(path, text), control }
}
