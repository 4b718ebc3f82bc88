//! Pods for the suite `pss`: every field that a check reads, in every kind of container, with good, bad, odd and missing values.

use serde_json::{Map, Value as Json, json};

use crate::random::Random;

const CAPABILITIES: [&str; 12] = [
    "ALL",
    "NET_BIND_SERVICE",
    "CHOWN",
    "KILL",
    "SYS_CHROOT",
    "AUDIT_WRITE",
    "NET_RAW",
    "SYS_ADMIN",
    "CAP_CHOWN",
    "chown",
    "all",
    "",
];
const PROFILES: [&str; 6] = ["RuntimeDefault", "Localhost", "RuntimeDefault", "Unconfined", "", "runtime/default"];
const PROC_MOUNTS: [&str; 4] = ["Default", "Unmasked", "", "default"];
const SELINUX_TYPES: [&str; 7] =
    ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "Container_t"];
const HOSTS: [&str; 4] = ["", "127.0.0.1", "example.com", "b.example"];
const SYSCTLS: [&str; 17] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_notsent_lowat",
    "kernel.msgmax",
    "net/ipv4/tcp_syncookies",
    "",
];
const VOLUMES: [&str; 31] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
    "warpDrive",
];
const ANNOTATIONS: [&str; 9] = [
    "container.apparmor.security.beta.kubernetes.io/a",
    "container.apparmor.security.beta.kubernetes.io/a.b",
    "container.apparmor.security.beta.kubernetes.io/nobody",
    "container.apparmor.security.beta.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/a",
    "container.seccomp.security.alpha.kubernetes.io/b",
    "container.seccomp.security.alpha.kubernetes.io/nobody",
    "example.com/else",
];
const ANNOTATION_VALUES: [&str; 9] = [
    "runtime/default",
    "docker/default",
    "localhost/x",
    "localhost/",
    "unconfined",
    "",
    "a \"quoted\" \\ thing",
    "tab\there\u{1}\u{e9}e\u{301}\u{200b}\u{1f600}\u{e000}",
    "Runtime/Default",
];

/// A generator of pods: `often` out of a hundred optional fields are set, and a null stands in for some.
struct Pods<'r> {
    random: &'r mut Random,
    often: usize,
    hardened: bool,
    server: u64,
}

/// A pod's metadata and spec. `server` is the minor version of what is asked: fields that it does not know are left out.
pub fn pod(random: &mut Random, server: u64) -> (Json, Json) {
    let hardened = random.percent(60);
    let often = *random.pick(if hardened { &[1, 3, 8][..] } else { &[10, 30, 60][..] });
    Pods { random, often, hardened, server }.pod()
}

impl Pods<'_> {
    fn pod(&mut self) -> (Json, Json) {
        let mut spec = Map::new();
        for (list, most) in [("initContainers", 2), ("containers", 3), ("ephemeralContainers", 2)] {
            let least = usize::from(list == "containers" && self.random.percent(98));
            let count =
                if list == "containers" || self.random.percent(40) { self.random.between(least, most) } else { 0 };
            let containers: Vec<Json> = (0..count).map(|_| self.container()).collect();
            if count > 0 || self.random.percent(20) {
                spec.insert(list.to_owned(), containers.into());
            }
        }
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            self.maybe(&mut spec, field, |this| this.truth());
        }
        self.often *= 3; // what relaxes other checks is wanted in more pods
        self.maybe(&mut spec, "hostUsers", |this| this.truth());
        self.maybe(&mut spec, "os", |this| json!({"name": this.random.word(&["linux", "windows", "Windows", ""])}));
        self.often /= 3;
        if self.random.percent(70) {
            let mut security = self.security(false);
            self.maybe(&mut security, "sysctls", |this| {
                let names =
                    (0..this.random.below(4)).map(|_| json!({"name": this.random.word(&SYSCTLS), "value": "1"}));
                names.collect::<Vec<_>>().into()
            });
            spec.insert("securityContext".to_owned(), security.into());
        }
        if self.random.percent(40) {
            let volumes: Vec<Json> = (0..self.random.below(4)).map(|_| self.volume()).collect();
            spec.insert("volumes".to_owned(), volumes.into());
        }
        self.maybe(&mut spec, "runtimeClassName", |_| "kata".into());
        let mut meta = Map::new();
        if self.random.percent(30) {
            let mut annotations = Map::new();
            for _ in 0..self.random.below(5) {
                let (key, value) = (self.random.word(&ANNOTATIONS), self.random.word(&ANNOTATION_VALUES));
                annotations.insert(key.to_owned(), if self.hardened { "localhost/x".into() } else { value.into() });
            }
            meta.insert("annotations".to_owned(), annotations.into());
        }
        (meta.into(), spec.into())
    }

    fn container(&mut self) -> Json {
        let mut container = Map::new();
        // the API wants names to be different; a manifest may not have heard
        container.insert("name".to_owned(), self.random.word(&["a", "b", "c", "a.b", "web", "quo\"te"]).into());
        if self.hardened || self.random.percent(70) {
            container.insert("securityContext".to_owned(), self.security(true).into());
        }
        self.maybe(&mut container, "ports", |this| {
            let ports = (0..this.random.below(4)).map(|_| {
                let host = *this.random.pick(&[0, 80, 8080, 443, 9]);
                let mut port = json!({"containerPort": 80, "hostPort": host});
                if this.random.percent(30) {
                    port = json!({"containerPort": 80});
                }
                port
            });
            ports.collect::<Vec<_>>().into()
        });
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            self.maybe(&mut container, probe, Self::handler);
        }
        self.maybe(&mut container, "lifecycle", |this| {
            let mut lifecycle = Map::new();
            this.often += 40;
            this.maybe(&mut lifecycle, "postStart", Self::handler);
            this.maybe(&mut lifecycle, "preStop", Self::handler);
            this.often -= 40;
            lifecycle.into()
        });
        container.into()
    }

    fn handler(&mut self) -> Json {
        let mut target = |port: &str| {
            let mut target = json!({"port": port});
            if self.random.percent(70) {
                target["host"] = self.random.word(&HOSTS).into();
            }
            target
        };
        let (get, socket) = (target("web"), target("db"));
        match self.random.below(5) {
            0 => json!({"exec": {"command": ["true"]}}),
            1 => json!({"tcpSocket": socket}),
            2 => json!({"httpGet": get, "tcpSocket": socket}),
            3 => json!({"httpGet": null, "tcpSocket": socket}),
            _ => json!({"httpGet": get}),
        }
    }

    fn security(&mut self, container: bool) -> Map<String, Json> {
        let mut security = Map::new();
        if self.hardened && container {
            security.insert("allowPrivilegeEscalation".to_owned(), false.into());
            security.insert("capabilities".to_owned(), json!({"drop": ["ALL"]}));
        }
        if self.hardened && self.random.percent(80) {
            security.insert("runAsNonRoot".to_owned(), true.into());
            security.insert(
                "seccompProfile".to_owned(),
                json!({"type": self.random.word(&["RuntimeDefault", "Localhost"])}),
            );
        }
        self.maybe(&mut security, "runAsNonRoot", |this| this.truth());
        self.maybe(&mut security, "runAsUser", |this| (*this.random.pick(&[0, 1, 1000, 65_534])).into());
        self.maybe(&mut security, "seccompProfile", Self::profile);
        if self.server >= 30 {
            self.maybe(&mut security, "appArmorProfile", Self::profile);
        }
        self.maybe(&mut security, "seLinuxOptions", |this| {
            let mut options = Map::new();
            this.often += 30;
            this.maybe(&mut options, "type", |this| this.random.word(&SELINUX_TYPES).into());
            this.maybe(&mut options, "user", |this| this.random.word(&["", "system_u"]).into());
            this.maybe(&mut options, "role", |this| this.random.word(&["", "system_r"]).into());
            this.often -= 30;
            this.maybe(&mut options, "level", |_| "s0".into());
            options.into()
        });
        self.maybe(&mut security, "windowsOptions", |this| {
            if this.random.percent(20) { json!({}) } else { json!({"hostProcess": this.truth()}) }
        });
        if container {
            for field in ["privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem"] {
                self.maybe(&mut security, field, |this| this.truth());
            }
            self.maybe(&mut security, "procMount", |this| this.random.word(&PROC_MOUNTS).into());
            self.maybe(&mut security, "capabilities", |this| {
                let mut capabilities = Map::new();
                for list in ["add", "drop"] {
                    this.often += 50;
                    this.maybe(&mut capabilities, list, |this| {
                        (0..this.random.below(4)).map(|_| this.random.word(&CAPABILITIES)).collect::<Vec<_>>().into()
                    });
                    this.often -= 50;
                }
                capabilities.into()
            });
        }
        security
    }

    fn profile(&mut self) -> Json {
        if self.random.percent(10) {
            return json!({"localhostProfile": "x"});
        }
        json!({"type": self.random.word(&PROFILES)})
    }

    fn volume(&mut self) -> Json {
        let good = self.hardened && self.random.percent(90);
        let all: &[&str] = if self.random.percent(30) { &["hostPath"] } else { &VOLUMES };
        let source = self.random.word(if good { &VOLUMES[..9] } else { all });
        let name = self.random.word(&["v", "data", "cache"]);
        if self.random.percent(3) || (source == "image" && self.server < 33) {
            return json!({"name": name});
        }
        let mut volume = json!({"name": name});
        volume[source] = if source == "hostPath" { json!({"path": "/"}) } else { json!({}) };
        if self.random.percent(10) {
            volume["nfs"] = volume.get("nfs").cloned().unwrap_or_default();
        }
        volume
    }

    fn truth(&mut self) -> Json {
        self.random.percent(50).into()
    }

    /// Sets a field in some cases: to what is made for it, or to null.
    fn maybe(&mut self, object: &mut Map<String, Json>, field: &str, make: impl FnOnce(&mut Self) -> Json) {
        if self.random.percent(self.often.min(90)) {
            let value = if self.random.percent(5) { Json::Null } else { make(self) };
            object.insert(field.to_owned(), value);
        }
    }
}
