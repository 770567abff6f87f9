-- judge_make.lua TOP DIR: write dispute files of what no prover shows into a
-- folder, each named by how it ends (judge_made.lua).
local top, dir = arg[1], arg[2]
package.path = top .. "/tests/?.lua"
require("judge_made").begin(top, dir)
for _, name in ipairs({ "models", "records", "shows", "picks", "proofs",
    "numbers", "heads" }) do
    require("judge_made_" .. name)()
end
