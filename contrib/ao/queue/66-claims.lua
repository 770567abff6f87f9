local lib = ApusQueue
local KEEP_MS, Q, clock = lib.KEEP_MS, lib.Q, lib.clock
local is_plain, base64url = lib.is_plain, lib.base64url
local unbase64url, sha256 = lib.unbase64url, lib.sha256
local answer, refuse, action = lib.answer, lib.refuse, lib.action
local answers, is_allowed = lib.answers, lib.is_allowed

-- ---- claims ----------------------------------------------------------------
-- A claim is a result from a file or from another queue that a node opens to
-- challenges here.  It has no requester, is identified by its hash, and its
-- window is 30 days.

local MAX_CLAIMS = 256

-- The records of a claim, or nil and why they cannot be claimed.
local function claimed(m)
    local record = unbase64url(m.tag.record or "")
    local job = unbase64url(m.tag.jobrecord or "")
    local model = unbase64url(m.tag.modelrecord or "")
    if not record or not job or not model then
        return nil, "Record, Jobrecord and Modelrecord must be base64url"
    end
    local state, why = lib.judge.show(lib.judge.open(sha256(record)), 0,
        record .. job .. model)
    if not state then
        return nil, why
    elseif state.turn == "over" then
        return nil, state.text
    end
    return { result = base64url(sha256(record)), job = base64url(sha256(job)),
        model = base64url(sha256(model)), finish = record:byte(209) }
end

local function add_claim(m, c)
    local r = {
        from = m.from, reference = c.result, session = m.tag.challenger or "",
        model = c.model, node = "", kind = "claim", line = "", sum = 0,
        had = m.from, blame = "", later = "", came = clock(),
        window = KEEP_MS, wrong = "", lease = "", prev = "", next = "",
        answer = ""
    }
    answers.claim(c.result, r, {
        from = m.from, reference = c.result, kind = "claim", sum = 0,
        node = m.from, batch = "", job = c.job, result = c.result, item = "",
        finish = c.finish, at = Q.now, conflict = "", had = m.from
    })
end

function action.Claim(m)
    if not is_allowed(m.from) then
        return refuse(m, 403, "this address is not a node of the queue")
    elseif Q.paused == "all" then
        return refuse(m, 503, "the queue is paused")
    elseif not is_plain(m.tag.challenger or "", 64) then
        return refuse(m, 400, "Challenger must be an address")
    end
    local c, why = claimed(m)
    if not c then
        return refuse(m, 422, why)
    end
    local d = lib.done_get(c.result) or answers.get(c.result)
    if d and d.node ~= m.from then
        return refuse(m, 409, "another node has claimed this result")
    elseif not d and answers.is_disputed(c.result) then
        return refuse(m, 409, "a dispute over an earlier claim is open")
    elseif not d and ((Q.n_claims or 0) >= MAX_CLAIMS or
        Q.n_open >= Q.max_open) then
        return refuse(m, 429, "there are " .. MAX_CLAIMS ..
            " claims: try again when one is final")
    elseif not d then
        add_claim(m, c)
    end
    answer(m, 200, { "Result", c.result })
end
