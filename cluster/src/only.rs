//! Which object of a name a status is for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// What the object must be as the status is written, besides its name.
#[derive(Clone, Copy, Debug)]
pub enum Only<'a> {
    /// Whatever has the name.
    Name,
    /// The one with this UID.
    Uid(&'a str),
    /// As it was at this resourceVersion: nothing was written since.
    Version(&'a str),
}

impl<'a> Only<'a> {
    /// Returns the field of the metadata that tells, and its value.
    pub(crate) fn test(self) -> Option<(&'static str, &'a str)> {
        match self {
            Self::Name => None,
            Self::Uid(uid) => Some(("uid", uid)),
            Self::Version(version) => Some(("resourceVersion", version)),
        }
    }

    /// Returns whether it is the one.
    pub(crate) fn is(self, metadata: &ObjectMeta) -> bool {
        match self {
            Self::Name => true,
            Self::Uid(uid) => metadata.uid.as_deref() == Some(uid),
            Self::Version(version) => metadata.resource_version.as_deref() == Some(version),
        }
    }
}
