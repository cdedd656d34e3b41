//! The contract of `Workspaces`.

use std::sync::Arc;

use maxlab_auth_core::workspace::Workspaces;

use super::cases;
use super::given::HOSTILE;

/// Holds the workspace tables to their contract; `make` makes empty ones.
pub async fn workspaces<S: Workspaces>(make: impl AsyncFn() -> S) {
    cases!(make: members_come_and_go, users_and_workspaces_keep_apart);
}

async fn sorted(workspaces: &impl Workspaces, user: &str) -> Vec<String> {
    let mut of_member = workspaces.of_member(user).await.unwrap();
    of_member.sort();
    of_member
}

async fn members_come_and_go(workspaces: Arc<impl Workspaces>) {
    let workspaces = workspaces.as_ref();
    workspaces.put_workspace("w1", "One").await.unwrap();
    workspaces.put_workspace("w1", "One, renamed").await.unwrap();
    for (workspace, user) in [("w1", "u"), ("w2", "u"), ("w1", "v"), ("w1", "u")] {
        workspaces.add_member(workspace, user).await.unwrap();
    }
    assert_eq!(sorted(workspaces, "u").await, ["w1", "w2"]);
    assert_eq!(workspaces.members("w1", 9).await.unwrap().len(), 2);
    assert_eq!(workspaces.members("w1", 1).await.unwrap().len(), 1);
    assert!(workspaces.remove_member("w1", "u").await.unwrap());
    assert!(!workspaces.remove_member("w1", "u").await.unwrap());
    assert_eq!(sorted(workspaces, "u").await, ["w2"]);
    assert_eq!(workspaces.members("w1", 9).await.unwrap(), ["v"]);
    workspaces.put_workspace("w1", "One, again").await.unwrap();
    assert_eq!(
        workspaces.members("w1", 9).await.unwrap(),
        ["v"],
        "a new name changes no membership"
    );
}

async fn users_and_workspaces_keep_apart(workspaces: Arc<impl Workspaces>) {
    for user in HOSTILE {
        workspaces.add_member(&format!("of {user}"), user).await.unwrap();
    }
    for user in HOSTILE {
        assert_eq!(sorted(workspaces.as_ref(), user).await, [format!("of {user}")]);
        assert_eq!(
            workspaces.members(&format!("of {user}"), 9).await.unwrap(),
            [user]
        );
    }
}
