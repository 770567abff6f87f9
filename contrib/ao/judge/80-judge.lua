local lib = ApusQueue
local judge = lib.judge
local SHOW_MAX, PROOF_MAX = 8192, 65536

-- ---- the judge ----
-- A state is a table of strings, numbers and tables of these, no functions.
-- Each of these functions works on a copy and returns it as the next state, or
-- nil and why it refuses the move.
--
--   turn     "shows" (the node), "picks" (the challenger), "proves" (either),
--            "over"
--   show     the show that is expected or picked from (doc/dispute.md, "Moves")
--   number   count of moves so far
--   verdict  "holds", "fault" or "unjudged" once it is over; text: a sentence
--   place    what to prove: code, position, layer, head, index, part

local NAMES = { [0] = "job", "token", "embed", "max", "square sum", "quantise",
    "dot total", "dot part", "head", "kv row", "score max", "value max",
    "Z part", "mix part", "mix total", "greedy", "sample", "stop", "range" }

function judge.decide(state, verdict, code)
    state.turn, state.verdict = "over", verdict
    state.text = "statement " .. code .. " (" .. NAMES[code] .. ") " ..
        (verdict == "holds" and "holds" or "is wrong")
end

function judge.leave(state, why)
    state.turn, state.verdict = "over", "unjudged"
    state.text = "this answer is not judged: " .. why
end

-- Open a dispute about the result whose record has this hash.  Given the 616
-- bytes of its records, the first show is done.
function judge.open(result, records)
    local state = { result = result, turn = "shows", show = "records",
        number = 0 }
    if records then
        return judge.show(state, 0, records)
    end
    return state
end

-- Open a dispute about a result of a file of requests: root (over the results),
-- model and sha256 are hashes, lines is the number of lines of the file, count
-- the number of results, index the number of this one.
function judge.open_file(file)
    return { result = file.root, file = file, turn = "shows", show = "line",
        number = 0 }
end

local function context(state)
    local c = { state = state }
    if state.records then
        c.r, c.j, c.m = judge.records(state.records)
    end
    if state.place then
        c.position = state.place.position
    elseif state.leaf then
        c.position = judge.u32(state.leaf, 0)
    end
    return c
end

local function copy(state)
    local new = {}
    for k, v in pairs(state) do
        new[k] = v
    end
    new.number = state.number + 1
    return new
end

local function refused(state, turn, number)
    if state.turn ~= turn then
        return "it is not a turn that " .. turn
    elseif number ~= state.number then
        return "move " .. tostring(number) .. ", expected " .. state.number
    end
end

-- Take the expected show of the node, as move `number`.
function judge.show(state, number, bytes)
    local why = refused(state, "shows", number)
    if not why and #bytes > SHOW_MAX then
        why = #bytes .. " bytes are too many"
    end
    if why then
        return nil, why
    end
    local new = copy(state)
    new.turn = "picks"
    why = judge.shows[state.show](context(state), bytes, new)
    if why then
        return nil, why
    end
    return new
end

-- Take a pick of the challenger.
function judge.pick(state, number, choice)
    local why = refused(state, "picks", number)
    if why then
        return nil, why
    end
    local new, words = copy(state), judge.split(choice)
    local c = context(new)
    if not words or not judge.picks[state.show](c, words, new) then
        return nil, "invalid pick"
    end
    return new
end

-- Take a proof, from either side.
function judge.prove(state, number, bytes)
    local why = refused(state, "proves", number)
    if why then
        return nil, why
    end
    local code, c = state.place.code, context(state)
    local p = #bytes <= PROOF_MAX and judge.read_proof(c, bytes)
    if not p then
        return nil, "not a proof of statement " .. code ..
            " at this place"
    end
    local good = judge.statements[code](p)
    if p.refused or p.left ~= 0 or p.at ~= #bytes then
        return nil, "the openings are not those of statement " .. code ..
            " here"
    end
    local new = copy(state)
    judge.decide(new, good and not p.fault and "holds" or "fault", code)
    return new
end

-- ---- dispute files ----

-- Return the state after the head of a file, and the offset of its first move;
-- nil if it is not a dispute file.
local function begin(s)
    local part, u32 = judge.part, judge.u32
    if s:sub(1, 8) == "apusdis1" and #s >= 40 then
        return judge.open(part(s, 8, 32)), 40
    elseif s:sub(1, 8) ~= "apusdis2" or #s < 116 then
        return nil
    end
    local file = { root = part(s, 8, 32), model = part(s, 40, 32),
        sha256 = part(s, 72, 32), lines = u32(s, 104), index = u32(s, 108),
        count = u32(s, 112) }
    return file.index < file.count and judge.open_file(file) or nil, 116
end

-- Play a file: return the state after its last move, or nil and why a move is
-- refused.
function judge.play(file)
    local moves = { judge.show, judge.pick, judge.prove }
    local state, at = begin(file)
    if not state or #file > 1048576 then
        return nil, "not a dispute file"
    end
    while at < #file do
        local rest = #file - at - 8
        local size = rest >= 0 and judge.u32(file, at + 4)
        local move = size and moves[judge.u32(file, at)]
        if not size or size > rest or not move then
            return nil, "move " .. state.number .. ": it is cut"
        end
        local next, why = move(state, state.number,
            judge.part(file, at + 8, size))
        if not next then
            return nil, "move " .. state.number .. ": " .. why
        end
        state, at = next, at + 8 + size
    end
    return state
end
