package command_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// small is a network of two operations, as editors and parsers are given it.
const small = `# ä𝄞
network n(image: f32[2,8,8] in [0,1]) -> f32[2,4,4] {
  pool = maxpool2d(image, kernel: 2)
  y = relu(pool)
  return y
}
`

// TestNeovim drives the server from an editor that people use.
func TestNeovim(t *testing.T) {
	if _, err := exec.LookPath("nvim"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "n.dnn")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(small, "relu(pool)", "relux( pool )", 1)), 0o644))
	script := filepath.Join(dir, "session.lua")
	require.NoError(t, os.WriteFile(script, []byte(`
local function say(...) io.stdout:write(table.concat({...}, " ") .. "\n") end
local client = vim.lsp.start_client({ cmd = { "`+dnnctest.Path(t)+`", "lsp" }, name = "dnnc" })
vim.lsp.buf_attach_client(0, client)
local function diagnostics(n)
  vim.wait(20000, function() return #vim.diagnostic.get(0) == n end, 20)
  return vim.diagnostic.get(0)
end
for _, d in ipairs(diagnostics(1)) do say("diagnostic", d.lnum, d.message) end
vim.api.nvim_buf_set_lines(0, 3, 4, false, { "  y = relu( pool )" })
say("left", #diagnostics(0))
local function ask(method, line, character)
  local answers = vim.lsp.buf_request_sync(0, method, { textDocument = vim.lsp.util.make_text_document_params(),
    position = { line = line, character = character }, options = { tabSize = 2, insertSpaces = true } }, 20000)
  return vim.tbl_values(answers)[1].result
end
say("hover", vim.fn.json_encode(ask("textDocument/hover", 3, 12)))
say("definition", ask("textDocument/definition", 3, 13).range.start.line)
for _, c in ipairs(ask("textDocument/completion", 3, 6)) do say("completion", c.label) end
vim.lsp.util.apply_text_edits(ask("textDocument/formatting", 0, 0), 0, "utf-16")
vim.cmd("write")
vim.lsp.stop_client(client)
vim.cmd("quitall!")
`), 0o644))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "nvim", "--headless", "-u", "NONE", "-n", path, "-c", "luafile "+script)
	c.Env = append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME="+dir)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	require.NoError(t, c.Run(), out.String())
	for _, want := range []string{`did you mean "relu"`, "left 0", "pool : f32[2,4,4]", "definition 2", "completion conv2d"} {
		assert.Contains(t, out.String(), want)
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, small, string(got))
}
