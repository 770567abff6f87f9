-- The module ".bint" of a process: signed integers of a fixed width, as far as
-- amounts need them.  require(".bint")(256) gives the constructor.
-- Digits lie in base 10^7, least first, so that a product of two fits.

local BASE, WIDTH = 10000000, 7

local bint = {}
bint.__index = bint

local function trim(t)
    while #t > 0 and t[#t] == 0 do t[#t] = nil end
    if #t == 0 then t.negative = false end
    return setmetatable(t, bint)
end

local function from_digits(negative, digits)
    local t = { negative = negative }
    for stop = #digits, 1, -WIDTH do
        local from = stop - WIDTH + 1
        t[#t + 1] = tonumber(digits:sub(from > 1 and from or 1, stop), 10)
    end
    return trim(t)
end

local function new(x)
    if getmetatable(x) == bint then return x end
    if math.type(x) == "float" and x == math.floor(x) then
        x = string.format("%.0f", x)
    end
    local sign, digits = tostring(x):match("^([+-]?)(%d+)$")
    if not digits then
        -- as the network words it, with its line
        error('[string ".bint"]:787: value cannot be represented by a bint', 0)
    end
    return from_digits(sign == "-", digits)
end

-- Compare, add, subtract without signs.
local function compare(a, b)
    if #a ~= #b then return #a < #b and -1 or 1 end
    for i = #a, 1, -1 do
        if a[i] ~= b[i] then return a[i] < b[i] and -1 or 1 end
    end
    return 0
end

local function add(a, b)
    local t, carry = {}, 0
    for i = 1, math.max(#a, #b) do
        local sum = (a[i] or 0) + (b[i] or 0) + carry
        t[i], carry = sum % BASE, sum // BASE
    end
    if carry > 0 then t[#t + 1] = carry end
    return t
end

local function subtract(a, b) -- a >= b
    local t, borrow = {}, 0
    for i = 1, #a do
        local d = a[i] - (b[i] or 0) - borrow
        borrow = d < 0 and 1 or 0
        t[i] = d + borrow * BASE
    end
    return t
end

local function sum(a, b, flip)
    local negative = b.negative ~= flip
    local t
    if a.negative == negative then
        t = add(a, b)
        t.negative = negative
    elseif compare(a, b) >= 0 then
        t = subtract(a, b)
        t.negative = a.negative
    else
        t = subtract(b, a)
        t.negative = negative
    end
    return trim(t)
end

local function multiply(a, b)
    local t = { negative = a.negative ~= b.negative }
    for i = 1, #a + #b do t[i] = 0 end
    for i = 1, #a do
        local carry = 0
        for j = 1, #b do
            local p = t[i + j - 1] + a[i] * b[j] + carry
            t[i + j - 1], carry = p % BASE, p // BASE
        end
        t[i + #b] = t[i + #b] + carry
    end
    return trim(t)
end

-- Quotient and rest without signs, by doubling.
local function divide(a, b)
    assert(#b > 0, "attempt to perform division by zero")
    local q, r = { negative = false }, trim({ negative = false })
    for i = #a, 1, -1 do
        table.insert(r, 1, a[i])
        trim(r)
        local low, high = 0, BASE - 1
        while low < high do
            local middle = (low + high + 1) // 2
            local part = multiply(b, from_digits(false, tostring(middle)))
            if compare(part, r) <= 0 then
                low = middle
            else
                high = middle - 1
            end
        end
        local part = multiply(b, from_digits(false, tostring(low)))
        r = trim(subtract(r, part))
        r.negative = false
        q[i] = low
    end
    return trim(q), r
end

-- Rounds down, as // and % of Lua.
local function floor(a, b)
    local x, y = trim({ table.unpack(a) }), trim({ table.unpack(b) })
    x.negative, y.negative = false, false
    local q, r = divide(x, y)
    if a.negative ~= b.negative and #q > 0 then q.negative = true end
    if a.negative ~= b.negative and #r > 0 then
        q = sum(q, new(1), true)
        r = sum(y, r, true)
    end
    if #r > 0 then r.negative = b.negative end
    return q, r
end

function bint.__add(a, b) return sum(new(a), new(b), false) end
function bint.__sub(a, b) return sum(new(a), new(b), true) end
function bint.__mul(a, b) return multiply(new(a), new(b)) end
function bint.__idiv(a, b) return (floor(new(a), new(b))) end
function bint.__mod(a, b) return select(2, floor(new(a), new(b))) end
-- A float, as the network has it.
function bint.__pow(a, b) return bint.tonumber(a) ^ bint.tonumber(b) end
function bint.__unm(a) return sum(new(0), new(a), true) end

local function order(a, b)
    a, b = new(a), new(b)
    if a.negative ~= b.negative then return a.negative and -1 or 1 end
    return a.negative and compare(b, a) or compare(a, b)
end
function bint.__eq(a, b) return order(a, b) == 0 end
function bint.__lt(a, b) return order(a, b) < 0 end
function bint.__le(a, b) return order(a, b) <= 0 end

function bint.__tostring(a)
    if #a == 0 then return "0" end
    local out = { a.negative and "-" or "", tostring(a[#a]) }
    for i = #a - 1, 1, -1 do out[#out + 1] = string.format("%07d", a[i]) end
    return table.concat(out)
end

function bint.new(x) return new(x) end
function bint.zero() return new(0) end
function bint.one() return new(1) end
function bint.iszero(x) return #new(x) == 0 end
function bint.isneg(x) return new(x).negative end
function bint.isbint(x) return getmetatable(x) == bint end
function bint.tonumber(x) return tonumber(tostring(new(x))) end
function bint.tointeger(x) return math.tointeger(bint.tonumber(x)) end
function bint.abs(x) return order(x, 0) < 0 and -new(x) or new(x) end
function bint.max(a, b) return order(a, b) < 0 and new(b) or new(a) end
function bint.min(a, b) return order(a, b) < 0 and new(a) or new(b) end
function bint.eq(a, b) return order(a, b) == 0 end
function bint.lt(a, b) return order(a, b) < 0 end
function bint.le(a, b) return order(a, b) <= 0 end
bint.ult, bint.ule = bint.lt, bint.le
function bint.fromstring(s)
    if type(s) == "string" and s:find("^[+-]?%d+$") then return new(s) end
    return nil
end
function bint.frominteger(x) return math.type(x) == "integer" and new(x) end

setmetatable(bint, { __call = function(_, x) return new(x) end })

return function() return bint end
