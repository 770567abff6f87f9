// The other side of tests/0410-npm-peer.t: node peer.cjs WALLET DIR.
// Checks what arweave-exchange made with that wallet in DIR, and makes what
// it is to check.  Prints TAP lines without numbers.
const fs = require("fs");
const path = require("path");
const crypto = require("crypto");
const Arweave = require("arweave");
const {
  ArweaveSigner, DataItem, EthereumSigner, HexSolanaSigner, SolanaSigner,
  bundleAndSignData, createData, unbundleData,
} = require("@dha-team/arbundles");

const [wallet, dir] = process.argv.slice(2);
const at = (name) => path.join(dir, name);
const arweave = Arweave.init({ host: "127.0.0.1" });
let failed = 0;

function told(good, what) {
  console.log(`${good ? "ok" : "not ok"} ${what}`);
  if (!good)
    failed = 1;
}

async function checkOurs() {
  const jwk = JSON.parse(fs.readFileSync(wallet, "utf8"));
  const ours = JSON.parse(fs.readFileSync(at("ours.json"), "utf8"));
  const address = await arweave.wallets.jwkToAddress(jwk);

  told(address === ours.address, "our wallet has the same address there");
  for (let i = 0; i < ours.ids.length; i++) {
    const bytes = fs.readFileSync(at(`ours-${i}.bin`));
    const item = new DataItem(bytes);
    const tags = i === 5 ? 128 : i;

    told(await DataItem.verify(bytes) && await item.isValid() &&
         item.id === ours.ids[i] && item.tags.length === tags,
         `our item ${i} verifies there, with ${tags} tags`);
    // Signed there without a salt it is the same item, byte for byte.
    const salt0 = crypto.sign("sha256", await item.getSignatureData(), {
      key: crypto.createPrivateKey({ key: jwk, format: "jwk" }),
      padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 0,
    });
    told(salt0.equals(item.rawSignature), `our item ${i}: its signature`);
  }
  const bundle = unbundleData(fs.readFileSync(at("ours-bundle.bin")));
  told(await bundle.verify() && bundle.items.length === ours.ids.length &&
       bundle.items.every((item, i) => item.id === ours.ids[i]),
       "our bundle verifies there");
}

async function makeItems(jwk) {
  const secp = crypto.randomBytes(32).toString("hex");
  const pair = crypto.generateKeyPairSync("ed25519");
  const raw = (key, type, n) =>
    key.export({ format: "der", type }).subarray(-n);
  const ed = Buffer.concat([raw(pair.privateKey, "pkcs8", 32),
    raw(pair.publicKey, "spki", 32)]);
  const base58 = (bytes) => {
    const set = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let v = BigInt("0x" + bytes.toString("hex")), out = "";
    for (; v > 0n; v /= 58n)
      out = set[Number(v % 58n)] + out;
    for (const b of bytes) {
      if (b !== 0)
        break;
      out = "1" + out;
    }
    return out;
  };
  const signers = {
    rsa: new ArweaveSigner(jwk), ethereum: new EthereumSigner(secp),
    ed25519: new SolanaSigner(base58(ed)),
    solana: new HexSolanaSigner(base58(ed)),
  };
  const items = [];

  for (const [name, signer] of Object.entries(signers)) {
    for (const tags of [0, 1, 20]) {
      const item = createData(crypto.randomBytes(1 + 1000 * tags), signer, {
        tags: Array.from({ length: tags },
          (_, i) => ({ name: `n${i}`, value: `v${i} \u00e9` })),
        anchor: tags ? crypto.randomBytes(16).toString("hex") : undefined,
        target: tags === 20
          ? crypto.randomBytes(32).toString("base64url") : undefined,
      });
      const file = `theirs-${name}-${tags}.bin`;

      await item.sign(signer);
      fs.writeFileSync(at(file), item.getRaw());
      items.push({ file, id: item.id });
    }
  }
  const bundle = await bundleAndSignData(
    [0, 1, 2].map((i) => createData(`item ${i}`, signers.rsa)), signers.rsa);
  fs.writeFileSync(at("theirs-bundle.bin"), bundle.getRaw());
  return items;
}

async function makeTransaction(jwk) {
  const data = crypto.randomBytes(3 * 262144);
  const tx = await arweave.createTransaction({
    data, reward: "1", last_tx: crypto.randomBytes(48).toString("base64url"),
  }, jwk);

  tx.addTag("Content-Type", "application/octet-stream");
  await arweave.transactions.sign(tx, jwk);
  fs.writeFileSync(at("theirs-tx.json"),
    JSON.stringify({ ...tx.toJSON(), data: "" }));
  fs.writeFileSync(at("theirs-tx.data"), data);
}

async function main() {
  await checkOurs();
  const jwk = await arweave.wallets.generate();
  fs.writeFileSync(at("theirs-wallet.json"), JSON.stringify(jwk),
    { mode: 0o600 });
  const items = await makeItems(jwk);
  await makeTransaction(jwk);
  fs.writeFileSync(at("theirs.json"), JSON.stringify(
    { address: await arweave.wallets.jwkToAddress(jwk), items }));
  process.exit(failed);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
