//! Pages as a browser gets them.

use maxlab_auth_pages::{
    Brand, ChooserOption, ChooserPage, ErrorPage, LOGOUT_PAGE_POLICY, Language, LoggedOutPage, LogoutPage,
    PAGE_POLICY, PageContext, PageError, Receipt, ReceiptResult, ReceiptTarget,
};

fn brand() -> Brand {
    Brand {
        name: "Notes <&>".into(),
        logo_url: Some("/auth/assets/logo".into()),
        support_url: Some("https://help.example/?a=1&b=2".into()),
    }
}

fn context(brand: &Brand, language: Language) -> PageContext<'_> {
    PageContext {
        brand,
        language,
        other_language_url: Some("/auth/logged-out?lang=ko"),
        request_id: Some("req-1"),
    }
}

/// Renders every page in a language, with texts from outside that try to become markup.
fn all_pages(language: Language) -> Vec<String> {
    let brand = brand();
    let context = context(&brand, language);
    let evil = "\"><script>alert(1)</script>";
    let mut pages: Vec<_> = PageError::ALL
        .iter()
        .map(|code| {
            let page = ErrorPage {
                retry_url: Some("/auth/login?return_to=%2Fa&provider=x"),
                account: Some(evil),
                detail: Some(evil),
                ..ErrorPage::new(context, *code)
            };
            page.render()
        })
        .collect();
    let option = |name: &str, is_last_used| ChooserOption {
        name: name.into(),
        url: "/auth/login?provider=a&return_to=%2F".into(),
        is_last_used,
    };
    let chooser = ChooserPage {
        context,
        target_host: Some(evil),
        options: vec![option(evil, false), option("Last", true)],
    };
    pages.push(chooser.render());
    let logout = LogoutPage {
        context,
        person: evil,
        provider: Some(evil),
        return_to: Some(evil),
        stay_url: "/",
    };
    pages.push(logout.render());
    for result in ReceiptResult::ALL {
        let receipts = ReceiptTarget::ALL.map(|target| Receipt { target, result });
        let page = LoggedOutPage {
            context,
            receipts: &receipts,
            provider: Some(evil),
            provider_url: Some("https://sso.example/"),
            login_url: "/auth/login",
            return_to: None,
        };
        pages.push(page.render());
    }
    pages
}

#[test]
fn x27_a_page_says_what_happened_and_what_to_do_and_has_its_request_id() {
    for language in Language::ALL {
        for page in all_pages(language) {
            assert!(page.starts_with("<!doctype html>"), "{page}");
            assert!(page.contains(&format!("<html lang=\"{}\">", language.tag())));
            assert_eq!(page.matches("<h1>").count(), 1, "{page}");
            assert!(page.contains("<main data-page=\""));
            assert!(page.contains("<code>req-1</code>"));
            assert!(
                page.contains("href=\"https://help.example/?a=1&#38;b=2\""),
                "{page}"
            );
            assert!(
                page.contains("class=\"button") || page.contains("class=\"choice"),
                "{page}"
            );
        }
    }
    let brand = brand();
    let page = ErrorPage::new(context(&brand, Language::English), PageError::LoginExpired).render();
    assert!(page.contains("<main data-page=\"error\" data-code=\"login_expired\">"));
    assert!(page.contains("The login took too long"));
    assert!(page.contains("href=\"/auth/login\">Log in again</a>"));
}

#[test]
fn c11_no_text_from_outside_becomes_markup_and_no_page_has_a_script() {
    for language in Language::ALL {
        for page in all_pages(language) {
            assert!(!page.contains("<script"), "{page}");
            assert!(!page.contains(" style=") && !page.contains(" onclick="), "{page}");
            assert!(page.contains("Notes &#60;&#38;&#62;"), "{page}");
        }
    }
}

#[test]
fn x24_no_page_is_in_two_languages() {
    let is_hangul = |c: char| ('\u{ac00}'..='\u{d7a3}').contains(&c);
    let other_language = "한국어";
    for page in all_pages(Language::English) {
        let page = page.replace(other_language, "");
        assert!(!page.chars().any(is_hangul), "{page}");
    }
    for page in all_pages(Language::Korean) {
        assert!(page.chars().filter(|c| is_hangul(*c)).count() > 10, "{page}");
    }
}

#[test]
fn l19_each_receipt_names_its_target_and_result() {
    let brand = brand();
    let receipts = [
        Receipt {
            target: ReceiptTarget::Here,
            result: ReceiptResult::Done,
        },
        Receipt {
            target: ReceiptTarget::Provider,
            result: ReceiptResult::NotSupported,
        },
    ];
    let page = LoggedOutPage {
        context: context(&brand, Language::English),
        receipts: &receipts,
        provider: Some("Company login"),
        provider_url: Some("https://sso.example/"),
        login_url: "/auth/login",
        return_to: Some("https://app.example/"),
    }
    .render();
    assert!(page.contains("<li data-target=\"here\" data-result=\"done\">"));
    assert!(page.contains("<li data-target=\"provider\" data-result=\"not_supported\">"));
    assert!(page.contains("You may still be logged in at Company login."));
    assert!(page.contains("href=\"https://sso.example/\""));
    assert!(page.contains("href=\"https://app.example/\""));
}

#[test]
fn t20_the_provider_that_was_used_last_comes_first() {
    let brand = brand();
    let option = |name: &str, is_last_used| ChooserOption {
        name: name.into(),
        url: format!("/auth/login?provider={name}"),
        is_last_used,
    };
    let page = ChooserPage {
        context: context(&brand, Language::English),
        target_host: Some("app.example"),
        options: vec![option("staff", false), option("guests", true)],
    }
    .render();
    let (guests, staff) = (
        page.find("guests").expect("guests"),
        page.find("staff").expect("staff"),
    );
    assert!(guests < staff);
    assert!(page.contains("to open app.example."));
}

#[test]
fn x23_the_policy_allows_no_script() {
    for policy in [PAGE_POLICY, LOGOUT_PAGE_POLICY] {
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; "));
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
        assert!(!policy.contains("script") && !policy.contains("unsafe"));
    }
    assert!(PAGE_POLICY.contains("form-action 'self'") && !LOGOUT_PAGE_POLICY.contains("form-action"));
}
