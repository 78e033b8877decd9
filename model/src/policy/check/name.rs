//! Names: of objects, of hosts, of users. None of them ever reaches a shell or a path unchecked.

use super::place::Place;

/// Longest name of an object (RFC 1123 subdomain, as the API server demands).
const OBJECT: usize = 253;
/// Longest name of a namespace, and of one label of a host name (RFC 1123).
const LABEL: usize = 63;

/// Checks the name of an object.
pub(super) fn object(name: &str, place: &Place<'_>) -> bool {
    let good = !name.is_empty() && name.len() <= OBJECT && name.split('.').all(|part| label(part, OBJECT, false));
    if !good {
        place.wrong("is no name of an object", "use a-z, 0-9, `-` and `.`, at most 253, a letter or digit at each end");
    }
    good
}

/// Checks the name of a Kubernetes namespace.
pub(super) fn namespace(name: &str, place: &Place<'_>) -> bool {
    namespace_like(name, "a namespace", place)
}

/// Checks the name of something that is named as namespaces are (a container, a Service).
pub(super) fn namespace_like(name: &str, what: &str, place: &Place<'_>) -> bool {
    let good = label(name, LABEL, false);
    if !good {
        let hint = "use a-z, 0-9 and `-`, at most 63, a letter or digit at each end";
        place.wrong(format!("is no name of {what}"), hint);
    }
    good
}

/// Checks a host's name: dots between labels of letters, digits and inner hyphens.
pub(super) fn host(name: &str, place: &Place<'_>) -> bool {
    let hint = if name.parse::<std::net::IpAddr>().is_ok() || name.parse::<ipnet::IpNet>().is_ok() {
        "an address belongs into `addresses`"
    } else if !name.is_empty() && name.len() <= OBJECT && name.split('.').all(|part| label(part, LABEL, true)) {
        return true;
    } else {
        "use letters, digits, `-` and dots, like postgres.shop.example; no port, no dot at the end"
    };
    place.wrong(format!("`{name}` is no host name"), hint);
    false
}

/// Checks free text that is used as a name: not empty, not long, nothing that steers a terminal.
pub(super) fn plain(text: &str, longest: usize, place: &Place<'_>) -> bool {
    let good = !text.is_empty() && text.len() <= longest && !text.chars().any(char::is_control);
    if !good {
        place.wrong(format!("is empty, longer than {longest} bytes, or holds control characters"), "");
    }
    good
}

fn label(part: &str, longest: usize, upper: bool) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || (upper && b.is_ascii_uppercase());
    let bytes = part.as_bytes();
    let ends = bytes.first().copied().is_some_and(letter) && bytes.last().copied().is_some_and(letter);
    ends && bytes.len() <= longest && bytes.iter().all(|b| letter(*b) || *b == b'-')
}
