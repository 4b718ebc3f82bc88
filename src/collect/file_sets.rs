//! Named sets of files: those that the processes in force name, and the usual paths where none does.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::manifests::{Manifest, USUAL_DIRECTORY};
use super::reader::{Place, Reader};
use super::root::{Root, Trouble};
use super::{documents, systemd};
use crate::evidence::effective::{Effective, effective};
use crate::evidence::{
    Component, DocumentRole, FileEntry, FileFacts, FileSet, FileSetName, Gap, Instance, Observed, Origin, Ownership,
    Reason, Tables, Value, Version,
};

/// Files of one directory tree that are looked at, at most.
const MOST_FILES: usize = 4096;

/// What file sets are made from.
pub struct Sources<'a> {
    /// The host.
    pub host: &'a Root,
    /// The instances that were collected.
    pub instances: &'a [Instance],
    /// Their effective values; only paths are asked for, which do not depend on the version.
    pub merged: Vec<Effective>,
    /// Readers of the own instances, by pid.
    pub readers: &'a BTreeMap<u32, Reader<'a>>,
    /// Static pod manifests.
    pub manifests: &'a [Manifest],
    /// Where manifests were looked for.
    pub manifest_directory: &'a str,
    /// Why manifests may be elsewhere, or could not be listed.
    pub manifest_gap: &'a Option<Gap>,
    /// The kubelet's unit.
    pub unit: systemd::Found,
}

/// All sets.
pub fn collect(sources: Sources<'_>) -> BTreeMap<FileSetName, FileSet> {
    use Component::{Etcd, KubeApiserver, KubeControllerManager, KubeProxy, KubeScheduler, Kubelet};
    use FileSetName as Set;
    let mut sets = BTreeMap::new();
    for (name, component) in [
        (Set::KubeApiserverManifest, KubeApiserver),
        (Set::KubeControllerManagerManifest, KubeControllerManager),
        (Set::KubeSchedulerManifest, KubeScheduler),
        (Set::EtcdManifest, Etcd),
    ] {
        sets.insert(name, sources.manifest(component));
    }
    sets.insert(Set::CniConfiguration, sources.tree(&["/etc/cni/net.d"], false));
    sets.insert(Set::EtcdDataDirectory, sources.etcd_data());
    sets.insert(
        Set::AdminKubeconfigs,
        sources.usual(&["/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf"]),
    );
    sets.insert(
        Set::SchedulerKubeconfig,
        sources.named(
            KubeScheduler,
            &["clientConnection.kubeconfig", "kubeconfig"],
            &["/etc/kubernetes/scheduler.conf"],
            "the scheduler names no kubeconfig",
        ),
    );
    sets.insert(
        Set::ControllerManagerKubeconfig,
        sources.named(
            KubeControllerManager,
            &["kubeconfig"],
            &["/etc/kubernetes/controller-manager.conf"],
            "the controller manager names no kubeconfig",
        ),
    );
    sets.insert(Set::PkiTree, sources.pki());
    sets.insert(Set::KubeProxyKubeconfig, sources.proxy_kubeconfig(KubeProxy));
    sets.insert(
        Set::KubeletKubeconfig,
        sources.named(Kubelet, &["kubeconfig"], &["/etc/kubernetes/kubelet.conf"], "the kubelet names no kubeconfig"),
    );
    sets.insert(
        Set::KubeletClientCa,
        sources.named(Kubelet, &["authentication.x509.clientCAFile"], &[], "the kubelet has no client CA file"),
    );
    sets.insert(
        Set::KubeletConfigurationFile,
        sources.named(Kubelet, &["config"], &["/var/lib/kubelet/config.yaml"], "the kubelet has no configuration file"),
    );
    sets.insert(Set::KubeletDropIns, sources.drop_ins());
    let unit = sources.unit;
    sets.insert(
        Set::KubeletService,
        FileSet { looked_at: unit.looked_at, files: unit.files, gap: unit.gap, not_used: None },
    );
    sets
}

impl Sources<'_> {
    /// Instances whose words may name files of the host.
    fn own(&self, component: Component) -> impl Iterator<Item = (&Instance, &Effective)> {
        let all = self.instances.iter().zip(&self.merged);
        all.filter(move |(instance, _)| instance.component == component && instance.ownership != Ownership::Tenant)
    }

    fn place(&self, instance: &Instance, path: &str) -> Place<FileFacts> {
        match instance.pid.and_then(|pid| self.readers.get(&pid)) {
            Some(reader) => reader.facts(path),
            None => {
                let volumes = self
                    .manifests
                    .iter()
                    .find(|manifest| Some(&manifest.path) == instance.manifest.as_ref())
                    .map(|manifest| manifest.volumes.clone());
                Reader::of_manifest(self.host, volumes.unwrap_or_default()).facts(path)
            }
        }
    }

    fn manifest(&self, component: Component) -> FileSet {
        let mut set = FileSet {
            looked_at: vec![self.manifest_directory.to_owned()],
            gap: self.manifest_gap.clone(),
            ..FileSet::default()
        };
        for manifest in self.manifests.iter().filter(|manifest| manifest.component == component) {
            set.files.push(self.on_host(&manifest.path));
        }
        // only the ids of static pods are plain hashes
        let is_static = |instance: &&Instance| instance.pod.as_ref().is_some_and(|id| !id.contains('-'));
        if let Some((instance, _)) = self.own(component).find(|(instance, _)| is_static(instance))
            && set.files.is_empty()
        {
            let pid = instance.pid.unwrap_or_default();
            let detail =
                format!("pid {pid} runs in a static pod, whose manifest is not in {}", self.manifest_directory);
            set.gap.get_or_insert(Gap::new(Reason::NotFound, detail));
        }
        set
    }

    fn on_host(&self, path: &str) -> FileEntry {
        let facts = match self.host.facts(OsStr::new(path)) {
            Ok(facts) => Observed::seen(facts, Origin::Host),
            Err(trouble) => Observed::Unknown(trouble.into_gap(path)),
        };
        FileEntry { path: path.to_owned(), named_by: None, facts }
    }

    /// Files at usual paths, where no process names one.
    fn usual(&self, paths: &[&str]) -> FileSet {
        let mut set =
            FileSet { looked_at: paths.iter().map(|path| (*path).to_owned()).collect(), ..FileSet::default() };
        for path in paths {
            match self.host.facts(OsStr::new(path)) {
                Ok(facts) => set.files.push(FileEntry {
                    path: (*path).to_owned(),
                    named_by: None,
                    facts: Observed::seen(facts, Origin::Host),
                }),
                Err(Trouble::Absent) => {}
                Err(Trouble::Gap(gap)) => set.files.push(FileEntry {
                    path: (*path).to_owned(),
                    named_by: None,
                    facts: Observed::Unknown(gap),
                }),
            }
        }
        set
    }

    /// etcd's data directory; without a name for it etcd makes one where it was started.
    fn etcd_data(&self) -> FileSet {
        let mut set = self.named(Component::Etcd, &["data-dir"], &["/var/lib/etcd"], "");
        let unnamed = |merged: &Effective| {
            matches!(merged.settings.get("data-dir"), Some(Observed::Seen { .. })) && merged.text("data-dir").is_none()
        };
        if self.own(Component::Etcd).any(|(_, merged)| unnamed(merged)) || set.not_used.take().is_some() {
            set.files.clear();
            let detail = "etcd names no data directory: it is below the directory in which etcd was started";
            set.gap = Some(Gap::new(Reason::Unsupported, detail));
        }
        set
    }

    /// The file that each own instance names by the first of `settings` that it has; else the usual paths.
    fn named(&self, component: Component, settings: &[&str], usual: &[&str], not_used: &str) -> FileSet {
        let mut set = FileSet::default();
        let (mut instances, mut unnamed) = (0, 0);
        for (instance, merged) in self.own(component) {
            instances += 1;
            let gap = settings.iter().find_map(|setting| merged.settings.get(*setting).and_then(Observed::gap));
            let path = settings.iter().find_map(|setting| merged.text(setting).map(|path| (*setting, path.to_owned())));
            match (path, gap) {
                (Some((setting, path)), _) => set.files.extend(self.entries(instance, setting, &path)),
                (None, Some(gap)) => set.gap = Some(gap.clone()),
                (None, None) => unnamed += 1,
            }
        }
        if instances == 0 || (set.files.is_empty() && set.gap.is_none() && component != Component::Kubelet) {
            let mut found = self.usual(usual);
            if found.files.is_empty() && unnamed > 0 {
                found.not_used = Some(not_used.to_owned());
            }
            return found;
        }
        if set.files.is_empty() && set.gap.is_none() {
            set.not_used = Some(not_used.to_owned());
        }
        set
    }

    /// What a setting names: the file that the process sees, and the one that took its place on the host since.
    fn entries(&self, instance: &Instance, setting: &str, path: &str) -> Vec<FileEntry> {
        let mut entry = self.entry(instance, setting, path);
        let reader = instance.pid.and_then(|pid| self.readers.get(&pid));
        let Some((place, facts)) = reader.and_then(|reader| reader.replaced(path)) else { return vec![entry] };
        let named_by = entry.named_by.clone();
        entry.path = reader.map_or(entry.path, |reader| reader.inside_name(path));
        vec![entry, FileEntry { path: place, named_by, facts: Observed::seen(facts, Origin::Host) }]
    }

    fn entry(&self, instance: &Instance, setting: &str, path: &str) -> FileEntry {
        let place = self.place(instance, path);
        let named_by = Some(match instance.pid {
            Some(pid) => format!("{setting} of {}, pid {pid}", instance.component),
            None => format!("{setting} of {}, not running", instance.component),
        });
        let facts = match place.found {
            Ok(facts) => Observed::seen(facts, Origin::Host),
            Err(trouble) => Observed::Unknown(documents::named(trouble, path)),
        };
        FileEntry { path: place.shown, named_by, facts }
    }

    /// Every file below directories of the host.
    fn tree(&self, directories: &[&str], with_directories: bool) -> FileSet {
        let mut set =
            FileSet { looked_at: directories.iter().map(|path| (*path).to_owned()).collect(), ..FileSet::default() };
        let mut pending: Vec<(String, usize)> = directories.iter().map(|path| ((*path).to_owned(), 0)).collect();
        while let Some((directory, depth)) = pending.pop() {
            match self.host.list(OsStr::new(&directory)) {
                Ok(entries) => {
                    if with_directories {
                        set.files.push(self.on_host(&directory));
                    }
                    for entry in entries {
                        let path = format!("{directory}/{}", entry.name.to_string_lossy());
                        if set.files.len() >= MOST_FILES || depth > 16 {
                            set.gap = Some(Gap::new(
                                Reason::TooBig,
                                format!("{directory}: more than {MOST_FILES} files, or too deep"),
                            ));
                            return set;
                        }
                        if entry.directory {
                            pending.push((path, depth + 1));
                        } else {
                            set.files.push(self.on_host(&path));
                        }
                    }
                }
                Err(Trouble::Absent) => {}
                Err(Trouble::Gap(gap)) => set.gap = Some(gap),
            }
        }
        set.files.sort_by(|one, other| one.path.cmp(&other.path));
        set
    }

    /// The PKI directory, and what the API server and etcd name elsewhere.
    fn pki(&self) -> FileSet {
        const KEYS: [&str; 16] = [
            "tls-cert-file",
            "tls-private-key-file",
            "client-ca-file",
            "etcd-cafile",
            "etcd-certfile",
            "etcd-keyfile",
            "kubelet-client-certificate",
            "kubelet-client-key",
            "kubelet-certificate-authority",
            "proxy-client-cert-file",
            "proxy-client-key-file",
            "requestheader-client-ca-file",
            "service-account-signing-key-file",
            "cert-file",
            "key-file",
            "trusted-ca-file",
        ];
        let mut set = self.tree(&["/etc/kubernetes/pki"], true);
        for component in [Component::KubeApiserver, Component::Etcd] {
            for (instance, merged) in self.own(component) {
                for setting in KEYS {
                    let Some(path) = merged.text(setting) else { continue };
                    for entry in self.entries(instance, setting, path) {
                        let known =
                            set.files.iter().position(|file| file.path == entry.path && file.named_by.is_none());
                        match known {
                            Some(position) => set.files[position] = entry,
                            // named as a certificate and as a key: it is both
                            None if set
                                .files
                                .iter()
                                .any(|file| file.path == entry.path && role(file) == role(&entry)) => {}
                            None => set.files.push(entry),
                        }
                    }
                }
            }
        }
        set.files.sort_by(|one, other| one.path.cmp(&other.path));
        set
    }

    /// A kubeconfig out of a ConfigMap that carries no credentials is none of the files meant.
    fn proxy_kubeconfig(&self, component: Component) -> FileSet {
        let mut set =
            self.named(component, &["clientConnection.kubeconfig"], &[], "kube-proxy uses no kubeconfig file");
        let inside = |path: &str| {
            let (path, pid) = path.strip_suffix(')')?.split_once(" (inside pid ")?;
            mounted_from(self.host, pid.parse().ok()?, path)
        };
        let is_volume = |path: &str| path.contains("/volumes/kubernetes.io~");
        // what the mount table does not tell is taken for what every installation has there
        let from_volume = |path: &str| {
            is_volume(path) || (path.contains("(inside pid") && inside(path).is_none_or(|source| is_volume(&source)))
        };
        let credentials = self
            .own(component)
            .flat_map(|(instance, _)| &instance.documents)
            .find(|document| document.role == DocumentRole::Kubeconfig);
        let inline = credentials
            .and_then(|document| document.content.value())
            .and_then(|value| value.at("inline-credentials"))
            .and_then(Value::as_bool);
        if inline == Some(false)
            && !set.files.is_empty()
            && set.files.iter().all(|file| from_volume(&file.path) && file.facts.value().is_some())
        {
            let modes: Vec<String> = set
                .files
                .iter()
                .filter_map(|file| file.facts.value().map(|facts| format!("{} {:04o}", file.path, facts.mode)))
                .collect();
            set.looked_at.extend(set.files.drain(..).map(|file| file.path));
            set.not_used = Some(format!(
                "kube-proxy's kubeconfig comes from a volume of its pod and carries no credentials ({})",
                modes.join(", ")
            ));
        }
        set
    }

    fn drop_ins(&self) -> FileSet {
        let mut set = FileSet::default();
        let mut named = false;
        for (instance, merged) in self.own(Component::Kubelet) {
            if let Some(gap) = merged.settings.get("config-dir").and_then(Observed::gap) {
                set.gap = Some(gap.clone());
            }
            let Some(directory) = merged.text("config-dir") else { continue };
            named = true;
            set.files.push(self.entry(instance, "config-dir", directory));
            for document in instance
                .documents
                .iter()
                .filter(|document| document.role == DocumentRole::DropIn && document.path != directory)
            {
                let mut entry = self.entry(instance, "config-dir", &document.path);
                entry.named_by = Some(format!("drop-in of kubelet, pid {}", instance.pid.unwrap_or_default()));
                set.files.push(entry);
            }
        }
        if !named && set.gap.is_none() {
            set.not_used = Some("the kubelet has no drop-in directory".to_owned());
        }
        set
    }
}

/// The path within its filesystem that is mounted where `path` lies for a process (proc_pid_mountinfo(5), field 4).
fn mounted_from(host: &Root, pid: u32, path: &str) -> Option<String> {
    let table = host.head(OsStr::new(&format!("proc/{pid}/mountinfo")), 4 << 20).ok()?;
    let table = String::from_utf8_lossy(&table).into_owned();
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        Some((fields.next()?, fields.next()?))
    });
    let holds = |at: &str| {
        path.strip_prefix(at.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // of mounts on the same place the last one counts
    mounts.filter(|(_, at)| holds(at)).max_by_key(|(_, at)| at.len()).map(|(source, _)| source.to_owned())
}

/// Whether what names a file takes it for a key.
fn role(file: &FileEntry) -> bool {
    let setting = file.named_by.as_deref().and_then(|by| by.split(' ').next()).unwrap_or_default();
    setting.contains("key-file") || setting.contains("keyfile") || setting.contains("client-key")
}

/// Where the kubelet looks for static pods, and why that may not be known.
pub fn manifest_directory(tables: &Tables, instances: &[Instance]) -> (String, Option<Gap>) {
    let version = Version::kubernetes(*crate::evidence::KNOWN.end());
    let own = instances
        .iter()
        .find(|instance| instance.component == Component::Kubelet && instance.ownership == Ownership::Own);
    let Some(kubelet) = own else { return (USUAL_DIRECTORY.to_owned(), None) };
    let merged = effective(tables, kubelet, version);
    match merged.settings.get("staticPodPath") {
        Some(Observed::Unknown(gap)) => (USUAL_DIRECTORY.to_owned(), Some(gap.clone())),
        _ => (merged.text("staticPodPath").unwrap_or(USUAL_DIRECTORY).to_owned(), None),
    }
}
