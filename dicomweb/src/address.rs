//! Addresses: prefixes of services, search terms, UIDs, and where a server may send us.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::WebError;

/// What stays as it is in a search term (RFC 3986 2.3), and what DICOM searches for.
const TERM: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*').remove(b',');

/// A DICOM unique identifier (PS3.5 chapter 9): digits and dots, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(String);

impl Uid {
    /// Takes a text that is one.
    ///
    /// # Errors
    /// [`WebError::Malformed`] for anything that could do harm in an address or a file name.
    pub fn new(text: &str) -> Result<Self, WebError> {
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        let is_uid = (1..=64).contains(&text.len())
            && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        if !is_uid {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(WebError::Malformed(format!("\"{shown}\" is no UID")));
        }
        Ok(Self(text.to_owned()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Uid {
    type Error = WebError;

    fn try_from(text: String) -> Result<Self, WebError> {
        Self::new(&text)
    }
}

impl std::str::FromStr for Uid {
    type Err = WebError;

    fn from_str(text: &str) -> Result<Self, WebError> {
        Self::new(text)
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.0
    }
}

/// The beginning of the addresses of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    scheme: &'static str,
    authority: String,
    host: String,
    /// Without a slash at its end.
    path: String,
}

impl Prefix {
    /// Reads an address as a person types it.
    pub fn parse(text: &str) -> Result<Self, WebError> {
        let text = text.trim();
        let refuse = |why: &str| {
            WebError::Setup(format!("the address of a server is like https://host/dicom-web; this one {why}"))
        };
        let uri: Uri = text.parse().map_err(|_| refuse("is none"))?;
        let scheme = match uri.scheme_str() {
            Some("https") => "https",
            Some("http") => "http",
            _ => return Err(refuse("begins neither with https:// nor with http://")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("holds a user name; that has a field of its own"));
        }
        if authority.host().is_empty() {
            return Err(refuse("names no host"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(refuse("holds a ? or #"));
        }
        Ok(Self {
            scheme,
            authority: authority.as_str().to_ascii_lowercase(),
            host: authority.host().trim_matches(['[', ']']).to_ascii_lowercase(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// Whether others on the way can read what goes there: plain HTTP to another machine.
    pub fn is_open(&self) -> bool {
        self.scheme == "http" && !self.is_loopback()
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The address of something, with search terms.
    pub fn join(&self, path: &str, terms: &[(&str, String)]) -> String {
        let mut address = format!("{}{}{path}", self.origin(), self.path);
        for (number, (key, value)) in terms.iter().enumerate() {
            address.push(if number == 0 { '?' } else { '&' });
            address.push_str(key);
            address.push('=');
            address.extend(utf8_percent_encode(value, TERM));
        }
        address
    }

    /// The address that a server sends us to, if it lies on the same host and port, and is not less safe.
    pub fn follow(&self, location: &str) -> Result<String, WebError> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(format!("{}{location}", self.origin()));
        }
        let elsewhere = |text: String| Err(WebError::Redirect(text));
        let Ok(uri) = location.parse::<Uri>() else { return elsewhere("an address that is none".into()) };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return elsewhere("an address that is not complete".into());
        };
        let origin = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
        if origin == self.origin() { Ok(location.to_owned()) } else { elsewhere(without_user(&origin)) }
    }
}

/// An origin without what stands before an `@`.
fn without_user(origin: &str) -> String {
    match (origin.split_once("://"), origin.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => origin.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_harmless_in_addresses_and_file_names() {
        assert_eq!(Uid::new(" 1.2.840.10008\0").unwrap().as_str(), "1.2.840.10008");
        for wrong in
            ["", "1..2", ".1", "1.", "../x", "1/2", "1.2?x", "1.2\n", "a.b", &"1".repeat(65), "1.2 3"]
        {
            let wrong_inside = format!("1.{wrong}.x");
            assert!(Uid::new(&wrong_inside).is_err(), "{wrong}");
        }
        for wrong in ["", "1..2", ".1", "1.", "../x", "1/2", "..", "."] {
            assert!(Uid::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn terms_are_escaped_and_slashes_do_not_double() {
        let prefix = Prefix::parse(" https://PACS.example:8443/rs/ ").unwrap();
        let terms = [("PatientName", "Müller^Ä&b=c#*".to_owned()), ("limit", "10".to_owned())];
        assert_eq!(
            prefix.join("/studies", &terms),
            "https://pacs.example:8443/rs/studies?PatientName=M%C3%BCller%5E%C3%84%26b%3Dc%23*&limit=10"
        );
        assert_eq!(Prefix::parse("http://h").unwrap().join("/studies", &[]), "http://h/studies");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in [
            "",
            "pacs",
            "/studies",
            "ftp://h",
            "https://",
            "https://u:p@h/",
            "https://h/?a=b",
            "https://h/#x",
        ] {
            let text = Prefix::parse(wrong).unwrap_err().to_string();
            assert!(!text.contains("u:p"), "{text}");
        }
    }

    #[test]
    fn only_the_same_host_and_port_may_be_followed() {
        let prefix = Prefix::parse("https://pacs.example/rs").unwrap();
        assert_eq!(prefix.follow("/other?a").unwrap(), "https://pacs.example/other?a");
        assert_eq!(prefix.follow("https://PACS.example/x").unwrap(), "https://PACS.example/x");
        for evil in [
            "https://evil.example/x",
            "http://pacs.example/x",
            "//evil.example/x",
            "https://pacs.example:444/",
            "https://pacs.example@evil.example/",
            "x",
            "",
        ] {
            let text = prefix.follow(evil).unwrap_err().to_string();
            assert!(text.contains("not followed"), "{evil}: {text}");
        }
    }
}
