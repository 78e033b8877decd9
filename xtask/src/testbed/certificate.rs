//! Makes the testbed's certificate authority and the certificates that it signs, with openssl.
//!
//! The keys are for this machine's testbed alone and go with its run folder.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::folder::{Folder, one_at_a_time};
use crate::command::{capture, command};

/// A certificate and its key, both PEM files.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Whom a certificate names.
#[derive(Debug, Default)]
pub(crate) struct Subject<'a> {
    /// The user's name (CN).
    pub(crate) name: &'a str,
    /// The user's groups (O).
    pub(crate) groups: &'a [&'a str],
    /// A server's names and addresses, as `IP:10.0.0.1` and `DNS:kubernetes`.
    pub(crate) servers: &'a [&'a str],
}

impl Pair {
    /// Names the files of a pair, whether they exist or not.
    pub(crate) fn locate(folder: &Folder, file: &str) -> Self {
        Self { certificate: folder.file(&format!("pki/{file}.crt")), key: folder.file(&format!("pki/{file}.key")) }
    }

    fn exists(&self) -> bool {
        self.certificate.is_file() && self.key.is_file()
    }
}

/// Returns the authority, making it first if need be.
pub(crate) fn authority(folder: &Folder) -> Result<Pair> {
    let pair = Pair::locate(folder, "ca");
    if !pair.exists() {
        let use_of_it = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
        make(folder, &pair, "/CN=testbed-ca", &use_of_it)?;
    }
    Ok(pair)
}

/// Returns a certificate that the authority signed, making it first if need be.
pub(crate) fn mint(folder: &Folder, file: &str, subject: &Subject<'_>) -> Result<Pair> {
    let pair = Pair::locate(folder, file);
    if pair.exists() {
        return Ok(pair);
    }
    let authority = authority(folder)?;
    let _one = one_at_a_time(&folder.file("pki/lock"))?;
    if pair.exists() {
        return Ok(pair);
    }
    let authority = [authority.certificate, authority.key].map(|path| path.display().to_string());
    let names = format!("subjectAltName={}", subject.servers.join(","));
    let mut args = vec!["-CA", &authority[0], "-CAkey", &authority[1]];
    args.extend(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature"]);
    args.extend(["-addext", "extendedKeyUsage=clientAuth,serverAuth"]);
    if !subject.servers.is_empty() {
        args.extend(["-addext", &names]);
    }
    let groups: String = subject.groups.iter().map(|group| format!("/O={group}")).collect();
    make(folder, &pair, &format!("{groups}/CN={}", subject.name), &args)?;
    Ok(pair)
}

/// Makes a key on P-256 and a certificate for it; both are in place only when both are whole.
fn make(folder: &Folder, pair: &Pair, subject: &str, args: &[&str]) -> Result<()> {
    // The system's configuration would add extensions of its own.
    let empty = folder.write("pki/openssl.cnf", "[req]\ndistinguished_name=dn\n[dn]\n")?;
    let mut openssl = command("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-noenc", "-days", "365", "-utf8", "-subj", subject]).args(args);
    openssl.arg("-config").arg(empty).arg("-keyout").arg(&pair.key).arg("-out").arg(&pair.certificate);
    capture(&mut openssl).map(drop).with_context(|| format!("make a certificate for {subject}"))
}
