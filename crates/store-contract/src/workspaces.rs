//! The contract of `WorkspaceStore`.

use std::sync::Arc;

use maxlab_auth_core::workspace::WorkspaceStore;

use super::fixtures::{HOSTILE_USER_IDS, subject};
use super::run_cases;

/// Checks that the workspace tables keep their contract. `make` creates empty ones.
pub async fn workspaces<S: WorkspaceStore>(make: impl AsyncFn() -> S) {
    run_cases!(make: members_come_and_go, users_and_workspaces_keep_apart);
}

async fn sorted_workspaces_of(workspaces: &impl WorkspaceStore, user: &str) -> Vec<String> {
    let mut of_member = workspaces.workspaces_of(&subject(user)).await.unwrap();
    of_member.sort();
    of_member
}

async fn members_come_and_go(workspaces: Arc<impl WorkspaceStore>) {
    let workspaces = workspaces.as_ref();
    workspaces.put_workspace("w1", "One").await.unwrap();
    workspaces.put_workspace("w1", "One, renamed").await.unwrap();
    for (workspace, user) in [("w1", "u"), ("w2", "u"), ("w1", "v"), ("w1", "u")] {
        workspaces.add_member(workspace, &subject(user)).await.unwrap();
    }
    assert_eq!(sorted_workspaces_of(workspaces, "u").await, ["w1", "w2"]);
    assert_eq!(workspaces.members_of("w1", 9).await.unwrap().len(), 2);
    assert_eq!(workspaces.members_of("w1", 1).await.unwrap().len(), 1);
    assert!(workspaces.remove_member("w1", &subject("u")).await.unwrap());
    assert!(!workspaces.remove_member("w1", &subject("u")).await.unwrap());
    assert_eq!(sorted_workspaces_of(workspaces, "u").await, ["w2"]);
    assert_eq!(workspaces.members_of("w1", 9).await.unwrap(), [subject("v")]);
    workspaces.put_workspace("w1", "One, again").await.unwrap();
    assert_eq!(
        workspaces.members_of("w1", 9).await.unwrap(),
        [subject("v")],
        "a new name changes no membership"
    );
}

async fn users_and_workspaces_keep_apart(workspaces: Arc<impl WorkspaceStore>) {
    for user in HOSTILE_USER_IDS {
        workspaces
            .add_member(&format!("of {user}"), &subject(user))
            .await
            .unwrap();
    }
    for user in HOSTILE_USER_IDS {
        assert_eq!(
            sorted_workspaces_of(workspaces.as_ref(), user).await,
            [format!("of {user}")]
        );
        assert_eq!(
            workspaces.members_of(&format!("of {user}"), 9).await.unwrap(),
            [subject(user)]
        );
    }
}
