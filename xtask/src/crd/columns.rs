//! What `kubectl get` shows of each kind: a run's story, an injection's state, a halt's scope, a node's health.

use rumpus_model::wire::kinds::{HALT, INJECTION, Kind, LEDGER, NODE, POLICY, RUN};
use serde_json::{Value, json};

/// A heading, a type and a path; those after `wide` are shown by `-o wide` only.
type Column = (&'static str, &'static str, &'static str);

struct Columns {
    always: &'static [Column],
    wide: &'static [Column],
}

/// Returns the columns of a kind, its age last.
pub(super) fn of(kind: Kind) -> Value {
    let columns = if kind == POLICY {
        Columns {
            always: &[
                ("MODE", "string", ".spec.mode"),
                ("SUSPENDED", "boolean", ".spec.suspend"),
                ("DURATION", "string", ".spec.experiment.duration"),
                ("SCHEDULE", "string", ".status.state"),
                ("NEXT", "string", ".status.next[0].at"),
            ],
            wide: &[
                ("GROUPS", "integer", ".status.groups"),
                ("READY", "string", ".status.conditions[?(@.type=='ReadyForChaos')].status"),
                ("WHY", "string", ".status.message"),
            ],
        }
    } else if kind == RUN {
        Columns {
            always: &[
                ("STATE", "string", ".status.state"),
                ("VERDICT", "string", ".status.verdict"),
                ("CONFIRMATION", "string", ".status.confirmation"),
                ("TARGETS", "integer", ".status.targets"),
                ("EFFECTIVE", "integer", ".status.effectiveTargets"),
            ],
            wide: &[
                ("MODE", "string", ".spec.mode"),
                ("UNTIL", "string", ".status.notAfter"),
                ("WHY", "string", ".status.refusals[0].message"),
            ],
        }
    } else if kind == INJECTION {
        Columns {
            always: &[
                ("NODE", "string", ".spec.nodeName"),
                ("PHASE", "string", ".spec.phase"),
                ("STATE", "string", ".status.state"),
                ("EFFECTIVE", "string", ".status.effective"),
                ("CLEAN", "string", ".status.clean"),
            ],
            wide: &[("RUN", "string", ".spec.run.name"), ("UNTIL", "string", ".spec.notAfter")],
        }
    } else if kind == HALT {
        Columns {
            always: &[("ALL", "boolean", ".spec.scope.all"), ("REASON", "string", ".spec.reason")],
            wide: &[
                ("NAMESPACES", "string", ".spec.scope.namespaces"),
                ("NODES", "string", ".spec.scope.nodes"),
                ("RUNS", "string", ".spec.scope.runs"),
            ],
        }
    } else if kind == LEDGER {
        Columns {
            always: &[("EPOCH", "integer", ".spec.epoch"), ("RUNS", "string", ".spec.reservations[*].name")],
            wide: &[("HOLDER", "string", ".spec.holder")],
        }
    } else {
        debug_assert_eq!(kind, NODE);
        Columns {
            always: &[
                ("HEARTBEAT", "date", ".status.heartbeat"),
                ("VERSION", "string", ".status.version"),
                ("ADMISSION", "string", ".status.admission"),
            ],
            wide: &[("ACTIVE", "string", ".status.active"), ("RESIDUE", "string", ".status.residue")],
        }
    };
    let shown = columns.always.iter().map(|c| column(c, 0)).chain(columns.wide.iter().map(|c| column(c, 1)));
    shown.chain([column(&("AGE", "date", ".metadata.creationTimestamp"), 0)]).collect()
}

fn column((name, kind, path): &Column, priority: u8) -> Value {
    json!({"name": name, "type": kind, "jsonPath": path, "priority": priority})
}
