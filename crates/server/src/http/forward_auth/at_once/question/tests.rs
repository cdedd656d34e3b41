use super::*;

#[test]
fn a_host_is_plain_or_the_routers() {
    for plain in ["a", "a.example:8080", "127.0.0.1:59999", "x_y-z:1"] {
        assert!(is_plain_host(plain.as_bytes()), "{plain}");
    }
    for other in [
        "", "a,b", "[::1]", "a:", "a:x", "a:60000", "a:99999", "u@a", "a b", "a:1:2",
    ] {
        assert!(!is_plain_host(other.as_bytes()), "{other}");
    }
}

#[test]
fn a_query_has_one_reading_or_is_the_routers() {
    assert_eq!(query("/auth/verify"), Some(""));
    assert_eq!(query("/auth/verify?role=a,b%20c"), Some("role=a,b%20c"));
    for other in [
        "/auth/verify/",
        "/auth/verifyx",
        "/auth/verify#x",
        "/auth/verify?a=\"",
        "/auth/verify?a b",
        "/",
    ] {
        assert_eq!(query(other), None, "{other}");
    }
}
