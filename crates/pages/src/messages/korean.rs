//! Korean texts.

use super::{ErrorTexts, Messages};
use crate::logged_out::{Receipt, ReceiptResult, ReceiptTarget};
use crate::page_error::PageError;

pub(super) static MESSAGES: Messages = Messages {
    support: "도움말",
    request_id: "요청 번호",
    error_code: "코드:",
    provider_says: "로그인 제공자의 메시지:",
    logged_in_as: "현재 로그인한 계정:",
    start_again: "다시 로그인",
    try_again: "다시 시도",
    other_account: "다른 계정 사용",
    log_out: "로그아웃",
    start_page: "시작 페이지로 이동",
    chooser_title: "로그인",
    chooser_target: "로그인해야 열 수 있는 페이지입니다: {}",
    chooser_question: "어떤 계정으로 로그인하시겠습니까?",
    last_used: "최근 사용",
    logout_title: "로그아웃하시겠습니까?",
    logout_provider: "{} 계정으로 로그인했습니다. 지원되는 경우 그곳에서도 로그아웃됩니다.",
    logout_here: "이 브라우저에서 로그아웃",
    logout_everywhere: "모든 기기에서 로그아웃",
    logout_everywhere_note: "‘모든 기기에서 로그아웃’을 선택하면 다른 브라우저와 다른 기기의 세션도 종료됩니다.",
    stay: "로그인 상태 유지",
    logged_out_title: "로그아웃되었습니다",
    logged_out_text: "이 브라우저에는 로그인 세션이 없습니다.",
    the_provider: "로그인 제공자",
    still_logged_in: "아직 로그인되어 있을 수 있는 곳: {}. 여러 사람이 쓰는 컴퓨터라면 그곳에서도 로그아웃하거나 브라우저를 닫아 주세요.",
    open_provider: "열기: {}",
    log_in: "로그인",
    go_on: "계속",
    errors: &ERRORS,
    receipt,
};

const fn texts(title: &'static str, happened: &'static str, remedy: &'static str) -> ErrorTexts {
    ErrorTexts {
        title,
        happened,
        remedy,
    }
}

/// Texts about each failure, in the order of the kinds.
static ERRORS: [(PageError, ErrorTexts); PageError::ALL.len()] = [
    (
        PageError::LoginStateInvalid,
        texts(
            "이 로그인은 계속할 수 없습니다",
            "여기에서 시작한 로그인의 주소가 아닙니다. 오래된 즐겨찾기이거나 주소의 일부가 잘렸을 수 있습니다.",
            "로그인을 다시 시작해 주세요.",
        ),
    ),
    (
        PageError::LoginExpired,
        texts(
            "로그인 시간이 초과되었습니다",
            "안전을 위해 로그인은 정해진 시간 안에 마쳐야 합니다.",
            "다시 로그인해 주세요. 로그인하면 원래 열려던 페이지로 돌아갑니다.",
        ),
    ),
    (
        PageError::LoginOtherBrowser,
        texts(
            "다른 브라우저에서 시작한 로그인입니다",
            "로그인은 시작한 브라우저에서 마쳐야 합니다.",
            "그 브라우저로 돌아가거나 여기에서 로그인을 다시 시작해 주세요.",
        ),
    ),
    (
        PageError::CookiesDisabled,
        texts(
            "브라우저가 쿠키를 저장하지 않습니다",
            "로그인하려면 이 사이트의 쿠키가 하나 필요하지만 브라우저가 보내지 않았습니다.",
            "이 사이트의 쿠키를 허용하거나 시크릿 모드를 끈 다음 다시 로그인해 주세요.",
        ),
    ),
    (
        PageError::LoginConflict,
        texts(
            "이미 사용한 로그인입니다",
            "같은 로그인에 대한 응답이 한 번 더 도착하여 거부했습니다.",
            "로그인되어 있지 않다면 로그인을 다시 시작해 주세요.",
        ),
    ),
    (
        PageError::ProviderDenied,
        texts(
            "로그인이 허용되지 않았습니다",
            "로그인 제공자가 로그인을 거부했거나 사용자가 취소했습니다.",
            "다시 로그인하거나 다른 계정을 사용해 주세요.",
        ),
    ),
    (
        PageError::ProviderError,
        texts(
            "로그인하지 못했습니다",
            "로그인 제공자가 사용할 수 없는 응답을 보냈습니다.",
            "다시 시도해 주세요. 같은 문제가 반복되면 아래 요청 번호를 관리자에게 알려 주세요.",
        ),
    ),
    (
        PageError::ProviderUnavailable,
        texts(
            "지금은 로그인할 수 없습니다",
            "로그인 제공자가 응답하지 않습니다. 이미 로그인한 세션에는 영향이 없습니다.",
            "잠시 후 다시 시도해 주세요.",
        ),
    ),
    (
        PageError::IdTokenInvalid,
        texts(
            "신원을 확인하지 못했습니다",
            "로그인 제공자가 보낸 신원 증명이 올바르지 않습니다.",
            "다시 로그인해 주세요. 같은 문제가 반복되면 아래 요청 번호를 관리자에게 알려 주세요.",
        ),
    ),
    (
        PageError::NotAllowed,
        texts(
            "접근 권한이 없습니다",
            "로그인은 되어 있지만 이 계정으로는 이 페이지를 열 수 없습니다.",
            "다른 계정을 사용하거나 관리자에게 권한을 요청해 주세요.",
        ),
    ),
    (
        PageError::RedirectLoop,
        texts(
            "로그인이 반복되고 있습니다",
            "로그인은 되어 있지만 애플리케이션이 계속 로그인 페이지로 돌려보냅니다. 세션 쿠키를 받지 못하는 것으로 보입니다.",
            "관리자 확인 사항: 애플리케이션과 로그인 페이지의 호스트 이름이 같고 둘 다 암호화 연결을 쓰는지, 프록시가 쿠키 헤더를 전달하는지 확인해 주세요.",
        ),
    ),
    (
        PageError::StoreUnavailable,
        texts(
            "지금은 서비스를 사용할 수 없습니다",
            "요청을 처리하지 못했습니다. 변경된 것은 없으며 로그아웃되지도 않았습니다.",
            "잠시 후 다시 시도해 주세요.",
        ),
    ),
    (
        PageError::MissingCredential,
        texts(
            "로그인이 필요합니다",
            "로그인해야 처리할 수 있는 요청입니다. 보낸 내용은 전달되지 않았습니다.",
            "로그인한 다음 이전 페이지로 돌아가 다시 보내 주세요.",
        ),
    ),
    (
        PageError::CrossSiteRequest,
        texts(
            "다른 사이트에서 온 요청입니다",
            "안전을 위해 이 작업은 이 사이트의 페이지에서만 할 수 있습니다. 변경된 것은 없습니다.",
            "이 사이트의 페이지를 열어 그곳에서 다시 시도해 주세요.",
        ),
    ),
    (
        PageError::AmbiguousRequest,
        texts(
            "브라우저가 세션을 두 개 보냈습니다",
            "같은 이름의 세션 쿠키가 두 개라서 누구의 요청인지 알 수 없습니다.",
            "브라우저에서 이 사이트의 쿠키를 삭제하고 다시 로그인해 주세요.",
        ),
    ),
    (
        PageError::InvalidRequest,
        texts(
            "요청을 이해할 수 없습니다",
            "주소나 양식의 일부가 없거나 잘못되었습니다.",
            "이전 페이지로 돌아가 다시 시도하거나 시작 페이지로 이동해 주세요.",
        ),
    ),
    (
        PageError::RateLimited,
        texts(
            "요청이 너무 많습니다",
            "짧은 시간에 너무 많은 요청을 보냈습니다. 변경된 것은 없습니다.",
            "1분쯤 기다린 다음 다시 시도해 주세요.",
        ),
    ),
    (
        PageError::NotFound,
        texts(
            "페이지를 찾을 수 없습니다",
            "이 주소에는 아무것도 없습니다.",
            "주소를 확인하거나 시작 페이지로 이동해 주세요.",
        ),
    ),
    (
        PageError::InternalError,
        texts(
            "문제가 발생했습니다",
            "서비스 오류로 요청에 대해 아무것도 결정하지 못했습니다.",
            "다시 시도해 주세요. 같은 문제가 반복되면 아래 요청 번호를 관리자에게 알려 주세요.",
        ),
    ),
];

fn receipt(receipt: Receipt) -> &'static str {
    match (receipt.target, receipt.result) {
        (ReceiptTarget::Here, ReceiptResult::Done) => "이 브라우저에서 로그아웃되었습니다.",
        (ReceiptTarget::Here, ReceiptResult::Pending) => "이 브라우저에서 로그아웃하는 중입니다.",
        (ReceiptTarget::Here, _) => "이 브라우저에서 로그아웃하지 못했습니다.",
        (ReceiptTarget::OtherSessions, ReceiptResult::Done) => {
            "다른 브라우저와 기기에서도 로그아웃되었습니다."
        }
        (ReceiptTarget::OtherSessions, ReceiptResult::Pending) => {
            "다른 브라우저와 기기에서 로그아웃하는 중입니다."
        }
        (ReceiptTarget::OtherSessions, _) => "다른 브라우저와 기기에서 로그아웃하지 못했습니다.",
        (ReceiptTarget::Provider, ReceiptResult::Done) => "로그인 제공자에서도 로그아웃되었습니다: {}",
        (ReceiptTarget::Provider, ReceiptResult::Pending) => {
            "로그인 제공자에서 로그아웃되었는지 확인되지 않았습니다: {}"
        }
        (ReceiptTarget::Provider, ReceiptResult::Failed) => "로그인 제공자에서 로그아웃하지 못했습니다: {}",
        (ReceiptTarget::Provider, ReceiptResult::NotSupported) => {
            "여기에서 로그아웃할 수 없는 로그인 제공자입니다: {}"
        }
        (ReceiptTarget::Tokens, ReceiptResult::Done) => "이 사이트에 부여된 접근 권한이 취소되었습니다.",
        (ReceiptTarget::Tokens, ReceiptResult::Pending) => {
            "이 사이트에 부여된 접근 권한을 취소하는 중입니다. 이곳에서는 이미 효력이 없습니다."
        }
        (ReceiptTarget::Tokens, ReceiptResult::Failed) => {
            "로그인 제공자에서 접근 권한을 취소하지 못했습니다. 이곳에서는 효력이 없습니다."
        }
        (ReceiptTarget::Tokens, ReceiptResult::NotSupported) => {
            "로그인 제공자가 접근 권한 취소를 지원하지 않습니다. 이곳에서는 효력이 없습니다."
        }
    }
}
