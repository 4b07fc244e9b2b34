//! The page about setting clusters up has every option and every code.

use std::fs;

use crate::kubevigil::run;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/setup.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_page_about_setting_up_has_every_option() {
    let page = page();
    for (command, heading) in [
        ("kubeadm", "kubeadm, kind, k3s, minikube, rke2"),
        ("eks", "eks, gke, aks"),
        ("check", "check"),
        ("verify", "verify"),
    ] {
        let (_, section) = page
            .split_once(&format!("## kubevigil setup {heading}\n"))
            .unwrap();
        let section = section.split("\n## ").next().unwrap();
        let help = run(["setup", command, "--help"], b"").stdout;
        let options = help
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("--"))
            .map(|rest| rest.split([' ', ',']).next().unwrap());
        for option in options.filter(|option| !["color", "help"].contains(option)) {
            assert!(
                section.contains(&format!("`--{option}")),
                "{command} --{option} is not in docs/setup.md"
            );
        }
    }
}
