// Tokenizes a network with the grammar as VS Code does, and begins a session of the language
// server with the library of the client: node test.js [dnnc]
const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { spawn } = require("node:child_process");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");
const rpc = require("vscode-languageserver-protocol/node"); // the client's, which alone needs an editor

const text = `# a comment
network n(image: f32[1,28,28] in [0,1]) -> f32[10] {
  conv1 = conv2d(image, filters: 20, kernel: 5)
  return conv1
}
`;

async function grammar() {
  const wasm = fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer;
  await oniguruma.loadWASM(wasm);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({ createOnigScanner: (p) => new oniguruma.OnigScanner(p), createOnigString: (s) => new oniguruma.OnigString(s) }),
    loadGrammar: async () => textmate.parseRawGrammar(fs.readFileSync(path.join(__dirname, "syntaxes/dnn.tmLanguage.json"), "utf8"), "dnn.json"),
  });
  const dnn = await registry.loadGrammar("source.dnn");
  const scopes = {};
  let state = textmate.INITIAL;
  for (const line of text.split("\n")) {
    const r = dnn.tokenizeLine(line, state);
    for (const t of r.tokens) scopes[line.slice(t.startIndex, t.endIndex).trim()] = t.scopes.at(-1);
    state = r.ruleStack;
  }
  for (const [word, scope] of Object.entries({
    "# a comment": "comment", network: "keyword.declaration", n: "entity.name.function", f32: "storage.type", conv1: "variable.other|source",
    conv2d: "support.function", filters: "variable.parameter", 20: "constant.numeric", return: "keyword.control", "->": "keyword.operator", in: "keyword.other",
  })) assert.match(scopes[word] ?? "", new RegExp(`^(${scope})`), word);
}

async function server(program) {
  const child = spawn(program, ["lsp"]);
  const connection = rpc.createProtocolConnection(new rpc.StreamMessageReader(child.stdout), new rpc.StreamMessageWriter(child.stdin));
  connection.listen();
  const { capabilities } = await connection.sendRequest("initialize", { capabilities: {}, processId: null, rootUri: null, initializationOptions: { target: "armv7em" } });
  assert.ok(capabilities.codeLensProvider);
  const uri = "file:///nowhere/n.dnn";
  const said = new Promise((resolve) => connection.onNotification("textDocument/publishDiagnostics", resolve));
  await connection.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId: "dnn", version: 1, text } });
  assert.ok(Array.isArray((await said).diagnostics));
  assert.ok(Array.isArray(await connection.sendRequest("textDocument/codeLens", { textDocument: { uri } })));
  await connection.sendRequest("shutdown");
  await connection.sendNotification("exit");
  connection.dispose();
}

grammar()
  .then(() => server(process.argv[2] ?? "dnnc"))
  .then(() => console.log("the grammar and the language server are as they should be"));
