//! Revokes a token that the operator presents: by the strongest proof that there is for it.

use std::io::Read as _;

use anyhow::{Context as _, anyhow, bail};
use maxlab_auth_core::credential::PresentedToken;
use maxlab_auth_core::engine::{AuthFault, CredentialProof, CredentialRefusal, Engine};
use maxlab_auth_core::issued_tokens::TokenUse;
use maxlab_auth_core::outbox::ClientCredentials;
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::{ActiveCredential, RevocationKey, TokenKey};
use maxlab_auth_core::verify::{TokenRejection, UnlimitedBudget};
use maxlab_auth_jose::{TokenShape, shape_of};
use secrecy::ExposeSecret as _;

use super::session::revoke_session;
use super::summary::{RevokeOutcome, RevokeSummary};
use crate::cli::args::TokenArgument;
use crate::cli::output::escape_for_terminal;
use crate::cli::{admin_audit_event, explain_unacknowledged};

/// Most bytes that are read from standard input; more than the longest token with a line around it.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// Reads the token from the argument or from standard input.
///
/// # Errors
/// If standard input is not UTF-8, or the text is not a token.
pub(super) fn read_token(argument: &TokenArgument) -> anyhow::Result<PresentedToken> {
    let text = match argument {
        TokenArgument::Literal(text) => text.expose_secret().to_owned(),
        TokenArgument::StandardInput => {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_INPUT_BYTES)
                .read_to_string(&mut text)
                .context("standard input is not UTF-8 text")?;
            text
        }
    };
    // `echo` and most files end with a line end, which is not part of the token.
    PresentedToken::parse_parameter(text.trim()).map_err(|fault| anyhow!("nothing was revoked: {fault}"))
}

/// Revokes a token. A refresh token ends its session; an access token is revoked alone. A token that nothing
/// proves is refused by its own bytes and affects nothing else (docs/REVOCATION.md, I5).
///
/// # Errors
/// If the revocation is not acknowledged, or the token is refused anyway and cannot be revoked.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn revoke_token(
    engine: &Engine,
    token: &PresentedToken,
    reason: RevocationReason,
) -> anyhow::Result<RevokeOutcome> {
    // The register first: nothing else can tell a refresh token from an opaque access token.
    let registered = engine
        .refresh_token_owner(token)
        .await
        .context("nothing was revoked")?;
    if let Some(handle) = registered
        .as_ref()
        .and_then(|registered| registered.session.clone())
    {
        return Ok(RevokeOutcome::Revoked(
            revoke_session(engine, handle.as_str(), reason).await?,
        ));
    }
    if let Some(registered) = registered {
        let key = RevocationKey::Token(registered.key);
        let event = admin_audit_event(engine, registered.subject.as_ref(), &key.to_string());
        engine
            .revoke_key(key.clone(), reason, vec![event])
            .await
            .map_err(explain_unacknowledged)?;
        notify_upstream(engine, token, TokenUse::Refresh, None).await?;
        return Ok(RevokeOutcome::Revoked(RevokeSummary {
            description: registered.subject.as_ref().map_or_else(
                || "the refresh token".to_owned(),
                |subject| {
                    format!(
                        "the refresh token of {}",
                        escape_for_terminal(&subject.storage_name())
                    )
                },
            ),
            key,
            subject: registered.subject,
            notifies_upstream: true,
            sessions: None,
            cutoff: None,
        }));
    }
    revoke_access_token(engine, token, reason).await
}

/// Revokes a token that is not a registered refresh token.
async fn revoke_access_token(
    engine: &Engine,
    token: &PresentedToken,
    reason: RevocationReason,
) -> anyhow::Result<RevokeOutcome> {
    let signed = !matches!(shape_of(token.expose()), TokenShape::Opaque);
    let credential = match engine.authenticate_token(token).await {
        Ok(credential) => credential,
        Err(AuthFault::Refused(
            refusal @ (CredentialRefusal::TokenRevoked(_) | CredentialRefusal::SessionRevoked(_)),
        )) => {
            return confirm_already_revoked(engine, token, &refusal).await;
        }
        // Proven false, or expired: no gateway with these settings accepts it. The two exceptions may be
        // accepted elsewhere or later, so their bytes are refused below.
        Err(AuthFault::Refused(CredentialRefusal::Rejected(rejection)))
            if signed
                && !matches!(
                    rejection,
                    TokenRejection::Refused | TokenRejection::NotAccessToken
                ) =>
        {
            bail!(
                "nothing was revoked: {rejection}. A gateway with these settings refuses this token anyway. To refuse it in \
             every case, revoke it by its --jti."
            )
        }
        // By its bytes, another spelling of the signature would still be accepted (docs/decisions/0010).
        Err(AuthFault::Unavailable(fault)) if signed => bail!(
            "nothing was revoked: {fault}, so the token cannot be verified. Run the command again when it answers, or \
             revoke the token by its --jti, or everything of its --user."
        ),
        Err(_) => {
            return Ok(RevokeOutcome::Revoked(
                revoke_by_bytes(engine, token, reason).await?,
            ));
        }
    };
    revoke_verified(engine, token, &credential, reason).await
}

/// Revokes a verified access token by its names.
async fn revoke_verified(
    engine: &Engine,
    token: &PresentedToken,
    credential: &ActiveCredential,
    reason: RevocationReason,
) -> anyhow::Result<RevokeOutcome> {
    let identity = credential.identity();
    let subject = identity.subject();
    // Several names: another layer, or another gateway, may know the token by another one.
    let key = credential
        .info()
        .revocation_keys
        .first()
        .cloned()
        .context("the token has no name by which it can be revoked")?;
    let event = admin_audit_event(engine, Some(&subject), &key.to_string());
    engine
        .revoke_active(credential, reason, event)
        .await
        .map_err(explain_unacknowledged)?;
    let client = identity.client_id.clone().map(ClientCredentials::public);
    notify_upstream(engine, token, TokenUse::Access, client).await?;
    Ok(RevokeOutcome::Revoked(RevokeSummary {
        description: format!(
            "the access token {} of {}",
            escape_for_terminal(&key.name()),
            escape_for_terminal(&subject.storage_name())
        ),
        key,
        subject: Some(subject),
        notifies_upstream: true,
        sessions: None,
        cutoff: None,
    }))
}

/// Confirms that a token is revoked already: the refusal must be acknowledged on every instance, and the
/// token must be proven to be the revoked one.
#[tracing::instrument(level = "debug", skip_all)]
async fn confirm_already_revoked(
    engine: &Engine,
    token: &PresentedToken,
    refusal: &CredentialRefusal,
) -> anyhow::Result<RevokeOutcome> {
    // Without a rate limit, which is for strangers and not for operators.
    let proof = engine.proof_of_token(token, &UnlimitedBudget).await;
    let proof = proof.context("nothing was revoked: the token cannot be verified")?;
    let CredentialProof::Revoked(login, _) = proof else {
        // An unproven token that was refused by its bytes: these very bytes prove it.
        if engine
            .await_revoked_bytes(token)
            .await
            .map_err(explain_unacknowledged)?
        {
            return Ok(RevokeOutcome::AlreadyRevoked(refusal.to_string()));
        }
        bail!(
            "nothing was revoked: the token has the name of a revoked one, and nothing proves that it is that token. The \
             gateway refuses it anyway."
        );
    };
    // Finishes what an interrupted revocation left undone, and waits for its acknowledgement.
    engine
        .repeat_logout(&login)
        .await
        .map_err(explain_unacknowledged)?;
    Ok(RevokeOutcome::AlreadyRevoked(refusal.to_string()))
}

/// Revokes exactly these bytes: a token that nothing proves now, such as a refresh token that was not issued
/// through this gateway.
async fn revoke_by_bytes(
    engine: &Engine,
    token: &PresentedToken,
    reason: RevocationReason,
) -> anyhow::Result<RevokeSummary> {
    let key = RevocationKey::Token(TokenKey::from_presented(token));
    let event = admin_audit_event(engine, None, &key.to_string());
    engine
        .revoke_key(key.clone(), reason, vec![event])
        .await
        .map_err(explain_unacknowledged)?;
    // The authorization server may know the token, and then revokes it.
    notify_upstream(engine, token, TokenUse::Access, None).await?;
    Ok(RevokeSummary {
        description: "a token that could not be verified; this exact string is now refused".to_owned(),
        key,
        subject: None,
        notifies_upstream: true,
        sessions: None,
        cutoff: None,
    })
}

/// Puts the message for the authorization server into the outbox. A running gateway delivers it.
async fn notify_upstream(
    engine: &Engine,
    token: &PresentedToken,
    token_use: TokenUse,
    client: Option<ClientCredentials>,
) -> anyhow::Result<()> {
    let enqueued = engine
        .enqueue_token_revocation(token, token_use, None, client, engine.now())
        .await;
    enqueued.context(
        "the token is revoked here, but the message for the authorization server could not be recorded; run the command \
         again",
    )
}
