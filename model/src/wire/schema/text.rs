//! Texts: how long, and of what.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Free text of 1 to `MOST` characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Free<const MOST: u32>;

impl<const MOST: u32> JsonSchema for Free<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Free{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MOST})
    }
}

/// Text of up to `MOST` characters that may be empty, for what is attested.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<const MOST: u32>;

impl<const MOST: u32> JsonSchema for Told<MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Told{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": MOST})
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $most:literal, $pattern:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "maxLength": $most, "pattern": $pattern})
            }
        }
    )*};
}

texts! {
    /// The name of an object (RFC 1123 subdomain).
    Name: 253, r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
    /// The name of a namespace or a container (RFC 1123 label).
    Label: 63, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    /// `namespace/name`, or a name alone.
    MaybeIn: 317, r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
    /// `namespace/name`.
    In: 317, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
    /// The UID of an object.
    Uid: 64, r"^[-A-Za-z0-9]+$";
    /// The key of a label.
    LabelKey: 317, r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
    /// The value of a label; may be empty.
    LabelValue: 63, r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
    /// An operator of a label selector.
    Operator: 12, r"^(In|NotIn|Exists|DoesNotExist)$";
    /// The kind of a workload.
    KindName: 63, r"^[A-Z][A-Za-z0-9]*$";
    /// A host's name.
    Host: 253, r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$";
    /// An address or a network in CIDR notation, without a zone.
    Address: 49, r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$";
    /// `80/TCP`, `8000-8100/UDP`.
    PlainPort: 15, r"^[0-9]{1,5}(-[0-9]{1,5})?(/(TCP|UDP))?$";
    /// The first digits of a container's id.
    ContainerPrefix: 64, r"^[0-9a-f]{12,64}$";
    /// A container's id as a pod's status shows it.
    ContainerId: 128, r"^([a-z0-9-]+://)?[0-9A-Za-z]{12,100}$";
    /// What the kernel keeps of a process's name.
    Comm: 15, r"^[^[:cntrl:]]+$";
    /// An absolute path.
    Path: 4096, r"^/[^[:cntrl:]]*$";
    /// A file's name.
    File: 255, r"^[^/[:cntrl:]]+$";
    /// Five fields, as cron has them.
    Cron: 128, r"^[^ ]+( [^ ]+){4}$";
    /// An instant as RFC 3339 writes it.
    Instant: 40, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{8,25}([Zz]|[+-][0-9]{2}:[0-9]{2})$";
    /// A time of day.
    Clock: 5, r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$";
    /// A date.
    Date: 10, r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
    /// A time zone of the IANA database.
    TimeZone: 64, r"^[A-Za-z][-+A-Za-z0-9_/]*$";
    /// What is asked over HTTP, in the clear.
    Url: 2048, r"^http://[^/?#@ ]+(/[!-~]*)?$";
    /// A plan's hash.
    PlanHash: 8, r"^[0-9a-f]{8}$";
    /// A refusal or failure in one word.
    Reason: 64, r"^[A-Z][A-Za-z0-9]*$";
}
