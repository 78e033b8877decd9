//! Layouts of control group paths, as real runtimes make them.

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const UID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
const UID_: &str = "1b4e28ba_2fa1_11d2_883f_0016d3cca427";
const STATIC: &str = "0123456789abcdef0123456789abcdef";

fn find(path: &str) -> Option<ContainerRef> {
    let paths = CgroupPaths::parse(&format!("0::{path}"))?;
    match container_of(&paths) {
        Ok(found) => found,
        Err(error) => panic!("{path}: {error}"),
    }
}

#[test]
fn every_known_layout_gives_the_id_the_pod_and_the_own_path() {
    let cases = [
        (format!("/kubepods/burstable/pod{UID}/{ID}"), Some(UID)),
        (format!("/kubepods/pod{STATIC}/{ID}"), Some(STATIC)),
        (format!("/kn1/kubepods/burstable/pod{UID}/{ID}"), Some(UID)),
        (
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/cri-containerd-{ID}.scope"
            ),
            Some(UID),
        ),
        (format!("/kubepods.slice/kubepods-pod{UID_}.slice/crio-{ID}.scope"), Some(UID)),
        (
            format!(
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{UID_}.slice/cri-containerd-{ID}.scope"
            ),
            Some(UID),
        ),
        (format!("/docker/{OTHER}/kubelet/kubepods/besteffort/pod{UID}/{ID}"), Some(UID)),
        (format!("/kubepods/podaaaaaaaa-2fa1-11d2-883f-0016d3cca427/{OTHER}/kubepods/pod{UID}/{ID}"), Some(UID)),
        (format!("/system.slice/containerd.service/kubepods-burstable-pod{UID_}.slice:cri-containerd:{ID}"), Some(UID)),
        (format!("/docker/{ID}"), None),
        (format!("/system.slice/docker-{ID}.scope"), None),
        (format!("/machine.slice/libpod-{ID}.scope"), None),
        (format!("/libpod_parent/libpod-{ID}"), None),
        (format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"), None),
        (format!("/docker/{OTHER}/docker/{ID}"), None),
        (format!("/rumpus-test/{ID}"), None),
    ];
    for (path, pod) in cases {
        for below in ["", "/init.scope", "/system.slice/nginx.service"] {
            let found = find(&format!("{path}{below}")).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(found.id, ID, "{path}");
            assert_eq!(found.pod_uid.as_deref(), pod, "{path}");
            assert_eq!(found.path, path);
            assert!(!found.ours);
        }
    }
}

#[test]
fn what_only_resembles_a_container_is_none() {
    let cases = [
        "/".to_owned(),
        "/system.slice/ssh.service".to_owned(),
        format!("/kubepods/pod{UID}"),
        format!("/docker/{OTHER}/kubepods/pod{UID}"),
        format!("/kubepods/pod{UID}/x/{ID}"),
        format!("/kubepods/pod{UID}/crio-conmon-{ID}.scope"),
        format!("/machine.slice/libpod-conmon-{ID}.scope"),
        format!("/docker/{}", ID.to_uppercase()),
        format!("/docker/{}", &ID[1..]),
        format!("/docker/{ID}0"),
        format!("/strange-{ID}.scope"),
        format!("/docker/{ID} (deleted)"),
        format!("/kubepods/pod{UID}/{ID} (deleted)"),
        "/runc-name".to_owned(),
    ];
    for path in cases {
        assert_eq!(find(&path), None, "{path}");
    }
}

#[test]
fn a_path_that_climbs_spoils_the_whole_file() {
    for text in
        [format!("0::/../../kubepods/pod{UID}/{ID}"), format!("4:memory:/../x\n0::/docker/{ID}"), "0::/..".to_owned()]
    {
        let paths = CgroupPaths::parse(&text).unwrap();
        assert!(matches!(container_of(&paths), Err(CgroupPathError::Relative { .. })), "{text}");
    }
    // Two dots inside a name climb nowhere.
    assert!(find(&format!("/a..b/{ID}")).is_some());
}

#[test]
fn v2_is_asked_first_and_a_pod_beats_a_plain_container() {
    let of = |text: String| container_of(&CgroupPaths::parse(&text).unwrap()).unwrap().unwrap();
    let both = of(format!("4:memory:/docker/{OTHER}\n0::/docker/{ID}"));
    assert_eq!((both.id.as_str(), both.hierarchy), (ID, Hierarchy::Unified));
    let pod = of(format!("4:memory:/kubepods/pod{UID}/{ID}\n0::/docker/{OTHER}"));
    assert_eq!((pod.id.as_str(), pod.hierarchy), (ID, Hierarchy::V1("memory".into())));
    let hybrid = of(format!("1:name=systemd:/docker/{OTHER}\n8:pids:/docker/{ID}\n0::/"));
    assert_eq!((hybrid.id.as_str(), hybrid.hierarchy), (ID, Hierarchy::V1("pids".into())));
    let systemd = of(format!("1:name=systemd:/docker/{ID}\n6:freezer:/docker/{OTHER}\n0::/"));
    assert_eq!(systemd.id, ID);
}

#[test]
fn a_worker_of_ours_in_a_container_is_marked() {
    let found = find(&format!("/docker/{ID}/rumpus-0a1b2c3d-00000001")).unwrap();
    assert!(found.ours);
    assert_eq!(found.path, format!("/docker/{ID}"));
}
