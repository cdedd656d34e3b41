//! Value of `Remote-User` for people of further issuers (`remote_user` in `PROVIDERS_FILE`).

use std::borrow::Cow;

use arc_swap::ArcSwapOption;
use maxlab_auth_core::identity::Issuer;
use maxlab_auth_core::verdict::SubjectClaims;

use crate::app::ProviderChain;

/// Form for the people of one issuer.
#[derive(Debug)]
struct RemoteUserForm {
    issuer: Issuer,
    /// Text before the id, and text after it.
    around: (String, String),
}

/// Forms of `Remote-User`, replaced as a whole when the file changes. Without a file every value is the one text
/// form of a subject.
#[derive(Debug, Default)]
pub struct RemoteUserForms(ArcSwapOption<Vec<RemoteUserForm>>);

impl RemoteUserForms {
    /// Replaces all forms.
    pub(crate) fn replace(&self, issuers: &[ProviderChain]) {
        let forms = issuers.iter().map(|provider| {
            let form = provider.remote_user.replace("{issuer_id}", &provider.id);
            let (before, after) = form.split_once("{sub}").unwrap_or((&form, ""));
            RemoteUserForm {
                issuer: provider.issuer.clone(),
                around: (before.to_owned(), after.to_owned()),
            }
        });
        self.0.store(Some(std::sync::Arc::new(forms.collect())));
    }

    /// Returns the value for a person. At the default issuer it is the id, unless a form would write the same text
    /// for somebody else: then it is `@|{id}`.
    pub(super) fn value<'s>(&self, subject: &SubjectClaims<'s>) -> Cow<'s, str> {
        let forms = self.0.load();
        let Some(forms) = forms.as_deref() else {
            return subject.storage_name();
        };
        let id = subject.user_id;
        if subject.issuer.is_default() {
            let resembles = |form: &RemoteUserForm| {
                let (before, after) = &form.around;
                let is_bare = before.is_empty() && after.is_empty();
                !is_bare && id.starts_with(before) && id.ends_with(after)
            };
            if forms.iter().any(resembles) {
                return Cow::Owned(format!("@|{id}"));
            }
            return subject.storage_name();
        }
        match forms.iter().find(|form| form.issuer == *subject.issuer) {
            Some(RemoteUserForm {
                around: (before, after),
                ..
            }) => Cow::Owned(format!("{before}{id}{after}")),
            None => subject.storage_name(),
        }
    }
}
