//! What the chart promises about the pods and roles of Rumpus, whatever values are set.

use serde_json::{Value, json};

use crate::manifest::{find, objects};
use crate::render::{self, Values, helm, render};

#[test]
fn the_agent_opens_no_port_and_is_not_privileged() {
    for values in Values::ALL {
        let agent = find(&render(values), "DaemonSet", "rumpus-agent");
        let pod = agent.at("/spec/template/spec");
        assert_eq!(pod["hostNetwork"], Value::Null);
        assert_eq!(pod["hostIPC"], Value::Null);
        assert_eq!(pod["hostPID"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"], json!({ "type": "RuntimeDefault" }));
        let containers = pod["containers"].as_array().expect("it has containers");
        assert_eq!(containers.len(), 1);
        let agent = &containers[0];
        assert_eq!(agent["ports"], Value::Null);
        assert_eq!(agent["securityContext"]["privileged"], false);
        assert_eq!(agent["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(agent["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
        let added = json!(["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE", "KILL", "DAC_OVERRIDE", "DAC_READ_SEARCH"]);
        assert_eq!(agent["securityContext"]["capabilities"]["add"], added);
    }
}

#[test]
fn the_agent_sees_three_paths_of_its_host_and_writes_two() {
    for values in Values::ALL {
        let agent = find(&render(values), "DaemonSet", "rumpus-agent");
        let volumes = agent.at("/spec/template/spec/volumes").as_array().expect("it has volumes");
        let paths: Vec<&Value> = volumes.iter().filter_map(|volume| volume.pointer("/hostPath/path")).collect();
        assert_eq!(paths, ["/var/lib/rumpus", "/sys/fs/cgroup", "/var/log/pods"]);
        let mounts = agent.at("/spec/template/spec/containers/0/volumeMounts").as_array().expect("it has mounts");
        let read_only = |path: &str| {
            let mount = mounts.iter().find(|mount| mount["mountPath"] == path).expect("it is mounted");
            mount["readOnly"] == true
        };
        assert!(!read_only("/var/lib/rumpus"));
        assert!(!read_only("/sys/fs/cgroup"));
        assert!(read_only("/var/log/pods"));
    }
}

#[test]
fn the_controller_has_no_privilege_at_all() {
    for values in Values::ALL {
        let controller = find(&render(values), "Deployment", "rumpus-controller");
        let replicas = controller.at("/spec/replicas").as_u64();
        assert!(replicas >= Some(2), "the death of one controller would end every fault: {replicas:?}");
        let pod = controller.at("/spec/template/spec");
        for field in ["hostPID", "hostNetwork", "hostIPC"] {
            assert_eq!(pod[field], Value::Null, "{field}");
        }
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let context = controller.at("/spec/template/spec/containers/0/securityContext");
        let expected = json!({
            "privileged": false, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(context, &expected);
        let volumes = controller.at("/spec/template/spec/volumes").as_array().expect("it has volumes");
        // Its token, and the calendars where they are named.
        let known =
            |volume: &Value| volume["projected"].is_object() || volume["configMap"]["name"] == "rumpus-calendars";
        assert!(volumes.iter().all(known), "{volumes:?}");
        let mounts =
            controller.at("/spec/template/spec/containers/0/volumeMounts").as_array().expect("they are mounted");
        assert!(mounts.iter().all(|mount| mount["readOnly"] == true), "{mounts:?}");
    }
}

#[test]
fn no_role_has_a_wildcard_and_none_becomes_part_of_edit_or_admin() {
    for values in Values::ALL {
        let text = render(values);
        let mut seen = 0;
        for role in objects(&text).iter().filter(|object| ["Role", "ClusterRole"].contains(&object.kind())) {
            seen += 1;
            assert!(!role.at("/rules").to_string().contains('*'), "{}", role.name());
            let labels = role.at("/metadata/labels");
            for into in ["edit", "admin"] {
                assert_eq!(labels[format!("rbac.authorization.k8s.io/aggregate-to-{into}")], Value::Null);
            }
        }
        assert!(seen >= 10, "{seen} roles");
    }
}

#[test]
fn a_cluster_fault_that_is_switched_off_is_no_right_of_the_controller() {
    for (fault, resource) in [("podDelete", "\"pods\"],\"verbs\":[\"delete\"]"), ("podEvict", "pods/eviction")] {
        let right =
            |text: &str| find(text, "ClusterRole", "rumpus-controller").at("/rules").to_string().contains(resource);
        assert!(right(&render(Values::Defaults)), "{fault}");
        let off = format!("faults.{fault}=false");
        let args = ["template", "rumpus", "--kube-version", render::FLOOR, "--set", &off];
        assert!(!right(&helm(&args, Values::Defaults).expect("it renders")), "{fault}");
    }
}

#[test]
fn nothing_is_left_to_fill_in() {
    for values in Values::ALL {
        for word in ["@NAMESPACE@", "@OPT_IN", "@PROTECTED@", "<no value>", "%!"] {
            assert!(!render(values).contains(word), "{word}");
        }
    }
}

#[test]
fn the_release_namespace_is_protected_and_named_in_every_rule() {
    let args = ["template", "other", "--namespace", "chaos", "--kube-version", render::FLOOR];
    let text = helm(&args, Values::Defaults).expect("it renders");
    assert!(!text.contains("rumpus-system"));
    for object in objects(&text).iter().filter(|object| object.kind() == "ValidatingAdmissionPolicy") {
        let spec = object.at("/spec").to_string();
        let named = spec.contains("system:serviceaccount:chaos:rumpus-");
        assert!(named || object.name() == "rumpus-halts-ended-by-resumers", "{}", object.name());
        if object.name().starts_with("rumpus-pods-") {
            assert!(spec.contains("in ['chaos','kube-node-lease','kube-public','kube-system']"), "{spec}");
        }
    }
}
