//! The `kube-assay` command: everything happens in the library.

fn main() -> std::process::ExitCode {
    kube_assay::run::main()
}
