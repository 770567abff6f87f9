-- Checks of the judge in Lua without which no dispute ends otherwise, and why:
-- judge_mutants.lua must not find these.
return {
    ["40-shows.lua: root: sha256(\"\")"] =
        "no list that is shown or opened is empty",
    ["40-shows.lua: open_result: #path <= 2048"] =
        "no tree of 2^32 results has a path of 64 hashes",
    ["40-shows.lua: root: at <= #beside"] =
        "what is too short is refused by its length afterwards",
    ["40-shows.lua: shows.operators: (#s - size) % 32 ~= 0"] =
        "range_root refuses what is no number of hashes",
    ["40-shows.lua: shows.operators: not root"] =
        "nil is not the root of the leaf either",
    ["50-picks.lua: split: #choice > 64"] =
        "no four words that mean something are as long",
    ["50-picks.lua: split: choice:find(\"\\0\", 1, true)"] =
        "no word has a NUL",
    ["50-picks.lua: split: #w <= 4"] = "no pick has five words",
    ["50-picks.lua: number: #word > 10"] = "no list has 10^10 elements",
    ["50-picks.lua: picks.records: r.n == 0"] =
        "n_out is 0 then, or more than n",
    ["50-picks.lua: picks.operators: not name"] = "no entry has no name",
    ["50-picks.lua: picks.operators: layer ~= NONE (2)"] =
        "the head's table has no h",
    ["50-picks.lua: picks.operators: judge.offset(m, layer, draws, \"h\")"] =
        "a table without h is the last layer's, which has no row after it",
    ["50-picks.lua: picks.operators: to < #state.layers"] =
        "only a table without h has no row after it",
    ["50-picks.lua: pick_attended: #w >= 2"] = "no statement is of no field",
    ["50-picks.lua: pick_sum: blocks"] =
        "state.blocked is set when a block is picked, not before",
    ["60-openings.lua: next_opening: p.refused"] =
        "a proof with one refused opening is refused in the end",
    ["60-openings.lua: next_opening: p.left == 0"] =
        "the count of openings left is compared with 0 in the end",
    ["60-openings.lua: next_opening: n_path > 64"] =
        "climb refuses a path of another length than its tree's",
    ["60-openings.lua: open: index >= n_leaves"] =
        "each index is within its list before: picks, witnesses, ids",
    ["60-openings.lua: open_bytes: 1024 * i + 1024 < to"] =
        "bytes after those that are asked for are not looked at",
    ["70-rows.lua: statements[2]: true of p.fault"] = "false is returned, too",
    ["70-rows.lua: statements[3]: true of p.fault"] = "false is returned, too",
    ["70-rows.lua: statements[4]: true of p.fault"] = "false is returned, too",
    ["70-rows.lua: statements[5]: true of p.fault"] = "false is returned, too",
    ["70-rows.lua: statements[15]: true of p.fault"] =
        "false is returned, too",
    ["75-attention.lua: statements[8]: p.fault"] =
        "p.fault is one in the end, whatever is returned",
    ["75-attention.lua: statements[9]: p.fault"] =
        "p.fault is one in the end, whatever is returned",
    ["75-attention.lua: row_under: p.fault"] =
        "p.fault is one in the end, whatever is returned",
    ["75-attention.lua: row_under: p.refused"] =
        "a proof with one refused opening is refused in the end",
    ["75-attention.lua: attends: true of p.fault"] = "false is returned, too",
    ["75-attention.lua: statements[14]: true of p.fault"] =
        "false is returned, too",
    ["78-draw.lua: total_good: true of p.fault"] = "false is returned, too",
    ["79-stops.lua: take: at + 4 + n > #s"] =
        "what has to follow a string is missed, then",
    ["79-stops.lua: read: n < 1"] = "no texts are never enough",
    ["79-stops.lua: tokenizer: n > 262144"] =
        "no vocabulary that is judged has more",
    ["79-stops.lua: open_head: #s < all"] = "the whole size is compared below",
    ["80-judge.lua: judge.open: records"] =
        "a file shows them; the queue, which has them, opens with them",
    ["80-judge.lua: context: state.place"] =
        "its position is that of the leaf, if there is one",
    ["80-judge.lua: refused: number ~= state.number"] =
        "the moves of a file are numbered by their order",
    ["80-judge.lua: judge.show: not why and #bytes > SHOW_MAX"] =
        "no show that is taken is as long: shows_fit, and stops.h",
    ["80-judge.lua: judge.show: not why"] = "the reason is another",
    ["80-judge.lua: judge.prove: #bytes <= PROOF_MAX"] =
        "no statement has as many openings",
    ["80-judge.lua: judge.play: #file > 1048576"] =
        "a file of so many moves is refused before its end"
}
