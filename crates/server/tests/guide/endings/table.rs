//! What each way to end something does to each kind of credential.

use super::ways::{Kind, Way};

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing accepts it once the ending is acknowledged.
    Ends,
    /// It is not covered, and goes on.
    Spares,
    /// There is no such thing.
    CannotBe(&'static str),
}

use Cell::{CannotBe, Ends, Spares};

/// The table.
pub(super) fn cell(way: Way, kind: Kind) -> Cell {
    match kind {
        // A login's own: whatever ends the login, its person, its client or its issuer ends them.
        Kind::AccessToken(_) | Kind::KnownRefreshToken => Ends,
        Kind::SessionCookie => match way {
            Way::Revoke | Way::CommandRevoke => CannotBe("RFC 7009 revokes tokens, and a cookie is none"),
            _ => Ends,
        },
        Kind::UnknownRefreshToken => unknown_refresh_token(way),
        Kind::NotYetValid | Kind::KeyComesLater => beside_the_login(way),
    }
}

/// Of a refresh token that never passed here nothing is known but the client that shows it.
fn unknown_refresh_token(way: Way) -> Cell {
    match way {
        Way::Revoke | Way::CommandRevoke | Way::CutoffOfClient | Way::CutoffOfIssuer => Ends,
        Way::LogoutAll | Way::Administrator | Way::CutoffOfPerson => {
            CannotBe("nobody here knows whose it is before the authorization server has exchanged it")
        }
        Way::LogoutByBearer
        | Way::LogoutByCookie
        | Way::LogoutByBoth
        | Way::SessionEnd
        | Way::CommandSession => Spares,
    }
}

/// A token of the same person, which did not come with the login.
fn beside_the_login(way: Way) -> Cell {
    match way {
        Way::Revoke
        | Way::LogoutAll
        | Way::Administrator
        | Way::CutoffOfPerson
        | Way::CutoffOfClient
        | Way::CutoffOfIssuer => Ends,
        Way::CommandRevoke => {
            CannotBe("the command says that nothing was revoked, since nothing accepts the token as it is")
        }
        Way::LogoutByBearer
        | Way::LogoutByCookie
        | Way::LogoutByBoth
        | Way::SessionEnd
        | Way::CommandSession => Spares,
    }
}
