//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address belongs to the public internet: globally reachable unicast, by the IANA special-purpose
/// registries (RFC 6890 and its updates). Addresses that carry another one inside (mapped, NAT64, 6to4, Teredo) are
/// judged as private: nobody needs them to name a public host, and each is a way around this function.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(a: Ipv4Addr) -> bool {
    let o = a.octets();
    let special = o[0] == 0                                             // this network
        || a.is_private()                                               // RFC 1918
        || a.is_loopback()
        || a.is_link_local()                                            // 169.254/16, cloud metadata among it
        || (o[0] == 100 && (64..128).contains(&o[1]))                   // shared address space, RFC 6598
        || (o[0] == 192 && o[1] == 0 && o[2] == 0)                      // protocol assignments
        || a.is_documentation()
        || (o[0] == 192 && o[1] == 88 && o[2] == 99)                    // 6to4 relay
        || (o[0] == 198 && (o[1] & 0xfe) == 18)                         // benchmarking
        || o == [168, 63, 129, 16]                                      // a cloud's host agent, with keys
        || a.is_multicast()
        || o[0] >= 240; // reserved, broadcast
    !special
}

fn is_public_v6(a: Ipv6Addr) -> bool {
    let s = a.segments();
    // Global unicast is 2000::/3 today; what lies outside is loopback, unspecified, mapped, NAT64, unique local,
    // link-local, multicast or unassigned.
    let global = (s[0] & 0xe000) == 0x2000;
    // Of 2001::/16: Teredo, ORCHID, benchmarking and other protocols, and documentation.
    let protocols = s[0] == 0x2001 && (s[1] < 0x0200 || s[1] == 0x0db8);
    let special = protocols || s[0] == 0x2002 /* 6to4 */ || (s[0] == 0x3fff && s[1] < 0x1000) /* documentation */;
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_purpose_ranges_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().expect(text)), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
    }
}
