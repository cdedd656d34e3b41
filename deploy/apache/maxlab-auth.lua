-- Asks maxlab-auth whether a request may pass, and as whom: `LuaHookAccessChecker … maxlab_auth` in forward-auth.conf.

local http = require("socket.http")
local ltn12 = require("ltn12")

local GATEWAY = "http://127.0.0.1:8080/auth/verify"
http.TIMEOUT = 5

-- What the gateway decides by, and nothing else of the client's.
local ASKED_WITH = {
    "Authorization", "Cookie", "Accept", "Origin", "Sec-Fetch-Mode", "Sec-Fetch-Site", "User-Agent", "X-Request-Id",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}
-- As whom.
local IDENTITY = {
    "Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Remote-Roles", "X-Auth-Source", "Remote-Workspaces",
}
-- The same, signed, where the gateway is set to sign it.
local SIGNED = "X-Auth-Identity"
-- What of a refusal goes to the client.
local REFUSED_WITH = { "WWW-Authenticate", "Location", "Retry-After", "Cache-Control", "Set-Cookie" }

local SAID_BY_GATEWAY_ONLY = { [SIGNED:lower()] = true }
for _, name in ipairs(IDENTITY) do
    SAID_BY_GATEWAY_ONLY[name:lower()] = true
end

-- Takes out every header by which an application could take the client for somebody: `Remote_User` is `Remote-User` to many.
local function forget_claims(r)
    for name in pairs(r:headers_in_table()) do
        if name:find("_", 1, true) or SAID_BY_GATEWAY_ONLY[name:lower():gsub("[^a-z0-9]", "-")] then
            r.headers_in[name] = nil
        end
    end
end

local OWN_COOKIES = {
    ["__Host-maxlab_session"] = true, ["maxlab_session"] = true, ["__Host-maxlab_browser"] = true, ["maxlab_browser"] = true,
}

-- Takes the gateway's own cookies out of what the application gets. Its own stay as they are. Apache joins several Cookie headers
-- with a comma, so one of ours may stand behind a comma as well as behind a semicolon.
local function forget_own_cookies(r)
    local field = r.headers_in["Cookie"]
    if not field then
        return
    end
    local kept, cut, separator = {}, false, ""
    for pair, after in (field .. ";"):gmatch("([^;,]*)([;,])") do
        if OWN_COOKIES[pair:match("^[ \t]*([^= \t]+)[ \t]*=")] then
            cut = true
        else
            kept[#kept + 1] = (#kept > 0 and separator or "") .. pair
        end
        separator = after
    end
    if cut then
        local left = table.concat(kept):match("^[ \t]*(.-)[ \t]*$")
        r.headers_in["Cookie"] = left ~= "" and left or nil
    end
end

-- Before a request leaves, Apache takes away what the client's `Connection` names: that must not be the identity.
local function plain_connection(r)
    local kept = {}
    for token in (r.headers_in["Connection"] or ""):lower():gmatch("[^%s,]+") do
        if token == "close" or token == "keep-alive" or token == "upgrade" then
            kept[#kept + 1] = token
        end
    end
    r.headers_in["Connection"] = #kept > 0 and table.concat(kept, ", ") or nil
end

local function describe_client(r)
    r.headers_in["X-Forwarded-For"] = r.useragent_ip
    r.headers_in["X-Forwarded-Host"] = r.headers_in["Host"]
    r.headers_in["X-Forwarded-Proto"] = r.is_https and "https" or "http"
end

local function ask(r)
    local headers = { ["X-Forwarded-Method"] = r.method, ["X-Forwarded-Uri"] = r.unparsed_uri }
    for _, name in ipairs(ASKED_WITH) do
        headers[name] = r.headers_in[name]
    end
    local requires = r.subprocess_env["MAXLAB_AUTH_REQUIRES"]
    local url = requires and (GATEWAY .. "?" .. requires) or GATEWAY
    local asked, status, answer = http.request({ url = url, headers = headers, redirect = false, sink = ltn12.sink.null() })
    if not asked then
        r:warn("maxlab-auth: " .. tostring(status))
        return 503, { ["retry-after"] = "2" }
    end
    return status, answer
end

function maxlab_auth(r)
    forget_claims(r)
    plain_connection(r)
    describe_client(r)
    if r.subprocess_env["MAXLAB_AUTH_UNASKED"] then
        if not r.subprocess_env["MAXLAB_AUTH_ITSELF"] then
            r.headers_in["Authorization"] = nil
            forget_own_cookies(r)
        end
        return apache2.OK
    end

    local status, answer = ask(r)
    if status == 200 then
        for _, name in ipairs(IDENTITY) do
            r.headers_in[name] = answer[name:lower()] or ""
        end
        r.headers_in[SIGNED] = answer[SIGNED:lower()]
        -- A session cookie that the gateway renews with its yes.
        r.err_headers_out["Set-Cookie"] = answer["set-cookie"]
        -- The application does not need the token. Take this out if it calls others with it.
        r.headers_in["Authorization"] = nil
        forget_own_cookies(r)
        return apache2.OK
    end
    for _, name in ipairs(REFUSED_WITH) do
        r.err_headers_out[name] = answer[name:lower()]
    end
    -- No other answer is a yes: nobody knows.
    local refusal = status == 302 or (status >= 400 and status < 500)
    return refusal and status or 503
end
