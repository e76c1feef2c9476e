// The client of `dnnc lsp`: it starts the server, and again when a setting changes.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const settings = vscode.workspace.getConfiguration("dnnc");
  const path = settings.get("path");
  client = new LanguageClient(
    "dnnc",
    "dnnc",
    { command: path, args: ["lsp"] },
    {
      documentSelector: [{ scheme: "file", language: "dnn" }],
      initializationOptions: { target: settings.get("target") },
    },
  );
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const choice = await vscode.window.showErrorMessage(`dnnc: ${path} lsp: ${error.message}`, "Open Settings");
    if (choice) vscode.commands.executeCommand("workbench.action.openSettings", "dnnc");
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) await running.stop();
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("dnnc.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("dnnc") && restart()),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
