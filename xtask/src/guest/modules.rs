//! Chooses the kernel modules of the guest: a fixed list and what each of them needs.
//!
//! `ifb` and `sch_netem` are in the image but are not loaded at boot: on a node they are not
//! loaded either, so the kernel has to ask for them as it does there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::cpio::Archive;

/// Loaded at boot: what a node with a container runtime has loaded as well, and what the tests'
/// own tools need.
const AT_BOOT: &[&str] = &[
    "nf_tables",
    "nf_conntrack",
    "nft_chain_nat",
    "nft_ct",
    "nft_compat",
    "nft_dup_netdev",
    "nft_fwd_netdev",
    "nft_limit",
    "nft_log",
    "nft_masq",
    "nft_nat",
    "nft_numgen",
    "nft_queue",
    "nft_reject",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_ipv6",
    "nft_hash",
    "nft_quota",
    "nft_socket",
    "nfnetlink_queue",
    "xt_NFQUEUE",
    "xt_tcpudp",
    "xt_conntrack",
    "xt_statistic",
    "xt_comment",
    "xt_mark",
    "xt_multiport",
    "xt_MASQUERADE",
    "veth",
    "bridge",
    "overlay",
];

/// In the image, loaded when something asks for them.
const ON_DEMAND: &[&str] = &[
    "ifb",
    "sch_netem",
    "sch_tbf",
    "sch_htb",
    "sch_prio",
    "sch_ingress",
    "cls_u32",
    "cls_matchall",
    "act_mirred",
    "act_gact",
    "dummy",
    "tun",
    "tcp_diag",
    "udp_diag",
    "inet_diag",
    "netlink_diag",
    "ip_set",
    "xt_set",
    "ip_set_hash_ip",
    "iptable_filter",
    "iptable_mangle",
    "iptable_nat",
    "ip6table_filter",
    "ip6table_mangle",
    "nft_fib_inet",
    "nft_tproxy",
    "nft_redir",
    "nft_connlimit",
    "nft_objref",
    "vxlan",
    "macvlan",
    "ipvlan",
];

/// A kernel ability that a guest can be booted without, and the modules that give it.
const ABILITIES: &[(&str, &[&str])] =
    &[("netem", &["sch_netem"]), ("nft", &["nf_tables"]), ("nfqueue", &["nfnetlink_queue", "xt_NFQUEUE", "nft_queue"])];

/// Returns the names that `--without` takes.
pub(crate) fn abilities() -> Vec<&'static str> {
    ABILITIES.iter().map(|(name, _)| *name).collect()
}

/// Puts the modules, less those of the abilities in `without`, and the tables that modprobe reads
/// into the archive. Returns the names to load at boot.
pub(crate) fn place(archive: &mut Archive, tree: &Path, release: &str, without: &[String]) -> Result<Vec<String>> {
    let folder = tree.join("lib/modules").join(release);
    let needs = read_needs(&folder)?;
    let banned: BTreeSet<String> = ABILITIES
        .iter()
        .filter(|(name, _)| without.iter().any(|left_out| left_out == name))
        .flat_map(|(_, modules)| modules.iter().map(|module| (*module).to_owned()))
        .collect();

    let mut at_boot = Vec::new();
    for (list, boot) in [(AT_BOOT, true), (ON_DEMAND, false)] {
        for name in list {
            let paths = needs.get(&canonical(name)).with_context(|| format!("this kernel has no module {name}"))?;
            if paths.iter().any(|path| banned.iter().any(|module| canonical(module) == stem(path))) {
                continue;
            }
            for path in paths {
                let content = std::fs::read(folder.join(path)).with_context(|| format!("read the module {path}"))?;
                archive.file(&format!("lib/modules/{release}/{path}"), 0o644, content);
            }
            if boot {
                at_boot.push((*name).to_owned());
            }
        }
    }
    for table in ["modules.dep", "modules.alias", "modules.symbols", "modules.softdep", "modules.builtin"] {
        archive.copy(&format!("lib/modules/{release}/{table}"), &folder.join(table))?;
    }
    Ok(at_boot)
}

/// Reads `modules.dep` into: module name -> its own file and the files that it needs.
fn read_needs(folder: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let table = folder.join("modules.dep");
    let text = std::fs::read_to_string(&table).with_context(|| format!("read {}", table.display()))?;
    let mut needs = BTreeMap::new();
    for line in text.lines() {
        let (own, others) = line.split_once(':').with_context(|| format!("odd line in modules.dep: {line}"))?;
        let files = std::iter::once(own).chain(others.split_whitespace()).map(str::to_owned).collect();
        needs.insert(stem(own), files);
    }
    Ok(needs)
}

fn stem(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    canonical(file.trim_end_matches(".ko"))
}

/// The kernel treats `-` and `_` in a module's name alike.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}
