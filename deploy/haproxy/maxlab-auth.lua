-- Asks maxlab-auth whether a request may pass, and as whom: `http-request lua.maxlab_auth URL` in haproxy.cfg.

-- What the gateway decides by, and nothing else of the client's.
local ASKED_WITH = {
    "authorization", "cookie", "accept", "origin", "sec-fetch-mode", "sec-fetch-site", "user-agent", "x-request-id",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
}
-- As whom.
local IDENTITY = { "remote-user", "remote-name", "remote-email", "remote-groups", "remote-roles", "x-auth-source", "remote-workspaces" }
-- The same, signed, where the gateway is set to sign it.
local SIGNED = "x-auth-identity"
-- What of a refusal goes to the client.
local REFUSED_WITH = { "content-type", "www-authenticate", "location", "retry-after", "cache-control", "set-cookie" }
-- HAProxy 2.6 tries four times, so that a client waits four times as long; from 2.8 on `httpclient.retries 0` in `global` ends that.
local TIMEOUT_MS = 3000

-- The values of a header as a list from 1; HAProxy's lists of a request begin at 0.
local function values(headers, name)
    local all, found = headers[name] or {}, {}
    for i = 0, #all do
        if all[i] ~= nil then
            found[#found + 1] = all[i]
        end
    end
    return found
end

local function question(txn)
    local headers = txn.http:req_get_headers()
    local asked = {}
    for _, name in ipairs(ASKED_WITH) do
        local all = values(headers, name)
        if #all > 0 then
            asked[name] = all
        end
    end
    asked["x-forwarded-method"] = { txn.f:method() }
    asked["x-forwarded-uri"] = { txn.f:pathq() }
    return asked
end

local function answered(txn, url)
    return core.httpclient():get({ url = url, headers = question(txn), timeout = TIMEOUT_MS })
end

local function pass(txn, answer)
    for _, name in ipairs(IDENTITY) do
        txn.http:req_set_header(name, values(answer.headers, name)[1] or "")
    end
    local signed = values(answer.headers, SIGNED)[1]
    if signed then
        txn.http:req_set_header(SIGNED, signed)
    end
    local cookie = values(answer.headers, "set-cookie")[1]
    if cookie then
        txn:set_var("txn.auth_cookie", cookie)
    end
    txn:set_var("txn.auth_passed", true)
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, body = answer.body })
    for _, name in ipairs(REFUSED_WITH) do
        for _, value in ipairs(values(answer.headers, name)) do
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

-- HAProxy goes on with a request when its script fails. So only `txn.auth_passed` is a yes, which haproxy.cfg asks for.
core.register_action("maxlab_auth", { "http-req" }, function(txn, url)
    local asked, answer = pcall(answered, txn, url)
    if not asked then
        core.Warning("maxlab-auth: " .. tostring(answer))
    elseif answer.status == 200 then
        pass(txn, answer)
    elseif answer.status == 302 or (answer.status >= 400 and answer.status < 500) then
        refuse(txn, answer)
    end
end, 1)

local OWN_COOKIES = {
    ["__Host-maxlab_session"] = true, ["maxlab_session"] = true, ["__Host-maxlab_browser"] = true, ["maxlab_browser"] = true,
}

-- A Cookie header without the gateway's own cookies. Every other byte stays as it is.
local function without_own_cookies(field)
    local kept, cut = {}, false
    for pair in (field .. ";"):gmatch("([^;]*);") do
        if OWN_COOKIES[pair:match("^[ \t]*([^= \t]+)[ \t]*=")] then
            cut = true
        else
            kept[#kept + 1] = pair
        end
    end
    return cut and table.concat(kept, ";"):match("^[ \t]*(.-)[ \t]*$") or field
end

-- What the application gets. `txn.auth_cookies_cut` says that it was done, which haproxy.cfg asks for.
core.register_action("maxlab_application_cookies", { "http-req" }, function(txn)
    local fields = values(txn.http:req_get_headers(), "cookie")
    txn.http:req_del_header("cookie")
    for _, field in ipairs(fields) do
        local left = without_own_cookies(field)
        if left ~= "" then
            txn.http:req_add_header("cookie", left)
        end
    end
    txn:set_var("txn.auth_cookies_cut", true)
end)
