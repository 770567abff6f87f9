// Random games: random-games.lua, which plays each in one evaluation, in a
// process for each core.  RANDOM_GAMES: how many (20, none in the real module);
// RANDOM_SEED: the first one's seed.
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { id } from './aos.mjs'
import { is, note } from './tap.mjs'
import { known, queue, result, stub } from './queue.mjs'

const games = readFileSync(new URL('random-games.lua', import.meta.url),
  'utf8')

// A line of Complete for each request that a game can have, and each trace.
function lines () {
  const all = {}
  for (let i = 0; i < 150; i++) {
    all['r' + i] = Object.fromEntries(['x', 'y', 'z'].map((trace) =>
      [trace, result(id('r' + i), { trace })]))
  }
  return all
}

// Records of answers that nobody asks for here.
const claims = () => Array.from({ length: 3 }, (_, i) => {
  const { record, jobrecord } = JSON.parse(result(id('claim-' + i)))
  return { record, jobrecord, id: known(id('claim-' + i))[0] }
})

async function player () {
  const { p } = await queue()
  const run = async (code) => {
    const r = await p.eval(code)
    if (r.Error) throw new Error(r.Error)
    return r.Output.data
  }
  await run(stub)
  const read = (v) => `require("json").decode([==[${JSON.stringify(v)}]==])`
  await run(`GameLines = ${read(lines())}
    GameClaims = ${read(claims())}
    return "lines"`)
  await run(games)
  return { game: (seed) => run(`return RandomGame(${seed})`),
    end: () => p.end?.() }
}

// What happens in 20 games: moves that were taken, and verdicts.
const happens = ['Pull', 'Complete', 'Release', 'Renew', 'Challenge', 'Show',
  'Pick', 'Prove', 'Concede', 'Overdue', 'Claim', 'Cancel', 'fault', 'holds']

export async function random_games () {
  const first = Number(process.env.RANDOM_SEED ?? 1)
  const n = Number(process.env.RANDOM_GAMES ?? (process.env.AOSRUN ? 20 : 0))
  const [wrong, seen] = [[], {}]
  let [seed, played] = [first, 0]
  const play = async () => {
    const one = await player()
    while (seed < first + n) {
      const mine = seed++
      played++
      const said = JSON.parse(await one.game(mine).catch((e) =>
        JSON.stringify({ seen: {}, why: String(e) })))
      if (said.why) wrong.push(`RANDOM_SEED=${mine}: ${said.why}`)
      for (const [what, times] of Object.entries(said.seen)) {
        seen[what] = (seen[what] ?? 0) + times
      }
    }
    one.end()
  }
  if (n === 0) return
  if (!(first > 0 && n > 0)) {
    throw new Error('RANDOM_GAMES and RANDOM_SEED are numbers')
  }
  await Promise.all(Array.from(
    { length: n < 100 ? 1 : availableParallelism() }, play))
  note(`from seed ${first}: ${JSON.stringify(seen)}`)
  is([played, ...happens.filter((what) => !seen[what])], [n],
    'random games are played, and have moves of each kind')
  is(wrong, [], `${n} random games keep the books`)
}
