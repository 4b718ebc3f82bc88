//! What each step of an audit costs, on the control-plane node that ships as the example: `cargo bench`.
//!
//! Whole processes are measured by `benches/whole-process`; docs/performance.md says what was found.
#![expect(clippy::expect_used, reason = "a benchmark that cannot begin has nothing to measure")]

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput};
use kube_assay::audit::report::Report;
use kube_assay::audit::{self, Input};
use kube_assay::benchmark::{self, Index, Library};
use kube_assay::collect::{collect_node, yaml};
use kube_assay::evidence::{Component, Evidence, Tables, file, flags};
use kube_assay::render::{FORMATS, Layout};

const RECORDED: &[u8] = include_bytes!("../tests/data/recorded/cp1.tar.zst");
const NOW: &str = "2026-01-01T00:00:00Z";

/// Everything that the steps start from.
struct Recorded {
    tables: Tables,
    library: Library,
    index: Index,
    evidence: Evidence,
}

impl Recorded {
    fn report(&self) -> Report {
        audit::evaluate(&Input {
            evidence: &self.evidence,
            library: &self.library,
            index: &self.index,
            tables: &self.tables,
            stock: &[],
            waivers: &[],
            subjects: &[],
            chosen: "by the benchmark",
            level: 2,
            version: "0.0.0",
        })
    }
}

fn unpack(root: &Path) {
    let mut archive = tar::Archive::new(zstd::Decoder::new(RECORDED).expect("the example is zstd"));
    archive.set_preserve_permissions(true);
    archive.unpack(root).expect("the example unpacks");
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.bench_function("component tables", |bench| bench.iter(|| benchmark::tables().expect("they ship")));
    let tables = benchmark::tables().expect("they ship");
    group.bench_function("one benchmark with its checks", |bench| {
        bench.iter(|| {
            let library = benchmark::library(&tables).expect("it ships");
            benchmark::benchmark("cis-2.0", &library).expect("it ships")
        });
    });
    // what a user's own checks go through: the same checks as YAML, with every error's line and column at hand
    let text = fs::read_to_string("benchmarks/checks/kubelet.yaml").expect("run by cargo, in the package's folder");
    let text = text.replace("- id: ", "- id: own/");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("own checks as YAML", |bench| {
        bench.iter(|| benchmark::add_own(&mut Library::default(), "own.yaml", &text, &tables).expect("they are right"));
    });
    group.finish();
}

fn collecting(criterion: &mut Criterion, root: &Path, recorded: &Recorded) {
    let mut group = criterion.benchmark_group("collect");
    group.bench_function("recorded control plane", |bench| {
        bench.iter(|| collect_node(root, &recorded.tables, NOW).expect("it is a host"));
    });
    group.bench_function("write evidence", |bench| {
        bench.iter(|| {
            let mut bytes = Vec::new();
            file::write(&recorded.evidence, "0.0.0", &mut bytes).expect("memory takes it");
            bytes
        });
    });
    let mut bytes = Vec::new();
    file::write(&recorded.evidence, "0.0.0", &mut bytes).expect("memory takes it");
    group.bench_function("read evidence", |bench| {
        bench.iter_batched_ref(
            Evidence::default,
            |evidence| file::read(bytes.as_slice(), evidence).expect("just written"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn reading(criterion: &mut Criterion, root: &Path, recorded: &Recorded) {
    let mut group = criterion.benchmark_group("read");
    for (name, path) in [
        ("kubelet configuration", "var/lib/kubelet/config.yaml"),
        ("static pod manifest", "etc/kubernetes/manifests/kube-apiserver.yaml"),
    ] {
        let bytes = fs::read(root.join(path)).expect("the example has it");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bench| bench.iter(|| yaml::read(black_box(&bytes)).expect("it is YAML")));
    }
    let pid = recorded.evidence.nodes[0]
        .instances
        .iter()
        .find(|instance| instance.component == Component::KubeApiserver)
        .and_then(|instance| instance.pid)
        .expect("the example has an API server");
    let bytes = fs::read(root.join(format!("proc/{pid}/cmdline"))).expect("the example has it");
    let words: Vec<String> =
        bytes.split(|byte| *byte == 0).skip(1).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let table = recorded.tables.of(Component::KubeApiserver);
    group.throughput(Throughput::Elements(words.len() as u64));
    group.bench_function("command line of kube-apiserver", |bench| {
        bench.iter(|| flags::parse(table, black_box(&words)));
    });
    group.finish();
}

fn judging(criterion: &mut Criterion, recorded: &Recorded) {
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(recorded.index.controls.len() as u64));
    group.bench_function("all controls of cis-2.0", |bench| bench.iter(|| recorded.report()));
    group.finish();
    let report = recorded.report();
    let mut group = criterion.benchmark_group("render");
    for format in &FORMATS {
        let mut bytes = Vec::new();
        format.render(&report, &Layout::default(), &mut bytes).expect("it renders");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format.name, |bench| {
            bench.iter(|| {
                bytes.clear();
                format.render(&report, &Layout::default(), &mut bytes).expect("it renders");
            });
        });
    }
    group.finish();
}

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    unpack(directory.path());
    let tables = benchmark::tables().expect("they ship");
    let library = benchmark::library(&tables).expect("it ships");
    let index = benchmark::benchmark("cis-2.0", &library).expect("it ships");
    let node = collect_node(directory.path(), &tables, NOW).expect("it is a host");
    let evidence = Evidence { nodes: vec![node], ..Evidence::default() };
    let recorded = Recorded { tables, library, index, evidence };

    let mut criterion = Criterion::default().configure_from_args();
    loading(&mut criterion);
    collecting(&mut criterion, directory.path(), &recorded);
    reading(&mut criterion, directory.path(), &recorded);
    judging(&mut criterion, &recorded);
    criterion.final_summary();
}
