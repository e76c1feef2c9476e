package lsp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/lsp"
)

// editor is a client that is driven by a test.
type editor struct {
	t    *testing.T
	to   *io.PipeWriter
	from *textproto.Reader
	done chan error
	id   int
}

func newEditor(t *testing.T) *editor {
	in, to := io.Pipe()
	from, out := io.Pipe()
	e := &editor{t: t, to: to, from: textproto.NewReader(bufio.NewReader(from)), done: make(chan error, 1)}
	go func() {
		e.done <- lsp.Serve(context.Background(), nil, in, out, io.Discard)
		out.Close()
	}()
	return e
}

func (e *editor) send(v map[string]any) {
	v["jsonrpc"] = "2.0"
	body, err := json.Marshal(v)
	require.NoError(e.t, err)
	fmt.Fprintf(e.to, "Content-Length: %d\r\n\r\n%s", len(body), body)
}

// receive reads a message into a structure.
func (e *editor) receive(into any) {
	head, err := e.from.ReadMIMEHeader()
	require.NoError(e.t, err)
	n, err := strconv.Atoi(head.Get("Content-Length"))
	require.NoError(e.t, err)
	body := make([]byte, n)
	_, err = io.ReadFull(e.from.R, body)
	require.NoError(e.t, err)
	require.NoError(e.t, json.Unmarshal(body, into), "%s", body)
}

// ask sends a request and returns its result, or the code of its error.
func (e *editor) ask(method string, params map[string]any) (result json.RawMessage, code int) {
	e.id++
	e.send(map[string]any{"id": e.id, "method": method, "params": params})
	var got struct {
		ID     int
		Result json.RawMessage
		Error  struct{ Code int }
	}
	e.receive(&got)
	require.Equal(e.t, e.id, got.ID)
	return got.Result, got.Error.Code
}

const uri = "file:///nowhere/n.dnn"

// at asks about a place in the text: a line and a character from 0 on.
func (e *editor) at(method string, line, character int) string {
	result, _ := e.ask("textDocument/"+method, map[string]any{
		"textDocument": map[string]any{"uri": uri}, "position": map[string]any{"line": line, "character": character},
	})
	return string(result)
}

// text opens or changes the text and returns what is wrong with it.
func (e *editor) text(method, text string) []map[string]any {
	e.send(map[string]any{"method": "textDocument/" + method, "params": map[string]any{
		"textDocument": map[string]any{"uri": uri, "text": text}, "contentChanges": []any{map[string]any{"text": text}},
	}})
	var got struct {
		Method string
		Params struct {
			URI         string
			Diagnostics []map[string]any
		}
	}
	e.receive(&got)
	require.Equal(e.t, "textDocument/publishDiagnostics", got.Method)
	require.Equal(e.t, uri, got.Params.URI)
	require.NotNil(e.t, got.Params.Diagnostics)
	return got.Params.Diagnostics
}

const small = `# ä𝄞
network n(image: f32[2,8,8] in [0,1]) -> f32[2,4,4] {
  pool = maxpool2d(image, kernel: 2)
  y = relu(pool)
  return y
}
`

// TestLanguageServer is a session of an editor.
func TestLanguageServer(t *testing.T) {
	e := newEditor(t)
	_, code := e.ask("textDocument/hover", nil)
	assert.Equal(t, -32002, code, "initialize comes first")
	result, _ := e.ask("initialize", map[string]any{})
	for _, want := range []string{"hoverProvider", "definitionProvider", "completionProvider", "documentFormattingProvider"} {
		assert.Contains(t, string(result), want)
	}
	assert.Empty(t, e.text("didOpen", small))

	assert.Contains(t, e.at("hover", 3, 11), "pool : f32[2,4,4]")
	assert.Contains(t, e.at("hover", 2, 12), "stride", "of an operation, its attributes")
	assert.Contains(t, e.at("hover", 2, 20), "an input of the network")
	assert.Equal(t, "null", e.at("hover", 4, 3))
	assert.Equal(t, "null", e.at("hover", 99, 99))
	assert.JSONEq(t, `{"uri":"`+uri+`","range":{"start":{"line":2,"character":2},"end":{"line":2,"character":6}}}`, e.at("definition", 3, 12))
	assert.Contains(t, e.at("definition", 2, 21), `"line":1`)
	assert.Equal(t, "null", e.at("definition", 2, 12))

	assert.Contains(t, e.at("completion", 2, 6), `"label":"return"`)
	inside := e.at("completion", 2, 26)
	assert.Contains(t, inside, `"label":"kernel"`)
	assert.Contains(t, inside, `"label":"image"`)
	assert.NotContains(t, inside, `"label":"y"`, "defined below")
	assert.Contains(t, e.at("completion", 3, 6), `"label":"conv2d"`)

	// A text with two faults, one of them after letters of two and four bytes.
	list := e.text("didChange", strings.Replace(strings.Replace(small, "relu", "relux", 1), "# ä𝄞", "𝄞 = 1", 1))
	require.Len(t, list, 2)
	assert.Equal(t, "dnnc", list[0]["source"])
	assert.Contains(t, list[1]["message"], `did you mean "relu"`)
	assert.Equal(t, map[string]any{"start": map[string]any{"line": 3., "character": 6.}, "end": map[string]any{"line": 3., "character": 11.}}, list[1]["range"])
	assert.Contains(t, e.at("hover", 3, 13), "pool : f32[2,4,4]", "what was sound is still known")
	assert.Contains(t, e.at("definition", 4, 9), `"line":3`, "y is defined, if wrongly")
	assert.JSONEq(t, "[]", e.at("formatting", 0, 0), "what does not parse is left")
	assert.Empty(t, e.text("didChange", strings.Replace(small, "relu(pool)", "relu(  pool  )", 1)))
	var edits []struct{ NewText string }
	require.NoError(t, json.Unmarshal([]byte(e.at("formatting", 0, 0)), &edits))
	require.Len(t, edits, 1)
	assert.Equal(t, small, edits[0].NewText)
	e.text("didChange", "network n(x: f32[2,8,8] in [0,1]) -> f32[2,8,8] {\n  y = conv2d(x, filters: 2, act: ")
	assert.Contains(t, e.at("completion", 1, 33), `"label":"relu6"`)

	_, code = e.ask("textDocument/rename", map[string]any{})
	assert.Equal(t, -32601, code)
	_, code = e.ask("textDocument/hover", map[string]any{"textDocument": map[string]any{"uri": "file:///other"}})
	assert.Equal(t, -32602, code)
	_, code = e.ask("textDocument/hover", map[string]any{"textDocument": 7})
	assert.Equal(t, -32602, code)
	assert.Empty(t, e.text("didClose", ""))
	e.ask("shutdown", nil)
	e.send(map[string]any{"method": "exit"})
	assert.NoError(t, <-e.done)
}

// TestLenses: an editor shows above each layer its bytes and its estimate, which add up to those
// of a build, and above the network the sums; also while the text has faults.
func TestLenses(t *testing.T) {
	path := dnnctest.Small(t)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	source := strings.Replace(string(text), "kernel: 5)\n  pool2", "kernel: 5, bits: 2)\n  pool2", 1)
	require.NotEqual(t, string(text), source)
	require.NoError(t, os.WriteFile(path, []byte(source), 0o644))
	e := newEditor(t)
	_, code := e.ask("initialize", map[string]any{"initializationOptions": map[string]any{"target": "armv77"}})
	assert.Equal(t, -32602, code, "no such target")
	_, code = e.ask("initialize", map[string]any{"initializationOptions": 7})
	assert.Equal(t, -32602, code)
	result, _ := e.ask("initialize", map[string]any{"initializationOptions": map[string]any{"target": "armv6m"}})
	assert.Contains(t, string(result), "codeLensProvider")
	here := "file://" + path
	open := func(method, text string) {
		e.send(map[string]any{"method": "textDocument/" + method, "params": map[string]any{
			"textDocument": map[string]any{"uri": here, "text": text}, "contentChanges": []any{map[string]any{"text": text}},
		}})
		e.receive(&struct{}{})
	}
	type lens struct {
		Range   struct{ Start struct{ Line int } }
		Command struct{ Title, Command string }
	}
	lenses := func() (list []lens) {
		result, code := e.ask("textDocument/codeLens", map[string]any{"textDocument": map[string]any{"uri": here}})
		require.Zero(t, code)
		require.NoError(t, json.Unmarshal(result, &list))
		return list
	}
	open("didOpen", source)
	list := lenses()
	require.Len(t, list, 5)
	lines := strings.Split(source, "\n")
	instructions := 0
	for i, name := range []string{"conv1", "conv2", "fc1", "fc2"} {
		assert.Contains(t, lines[list[i].Range.Start.Line], name+" = ")
		m := regexp.MustCompile(`^\d+ bytes of weights as (i8|odd2), about (\d+) instructions on armv6m$`).FindStringSubmatch(list[i].Command.Title)
		require.NotNil(t, m, list[i].Command.Title)
		assert.Equal(t, name == "conv2", m[1] == "odd2")
		n, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		instructions += n
	}
	assert.Contains(t, list[0].Command.Title, "150 bytes of weights")
	assert.Contains(t, lines[list[4].Range.Start.Line], "network lenet5")
	// Those of a build.
	var checked struct {
		Targets []struct {
			Bytes  int     `json:"weight_bytes"`
			Cycles float64 `json:"estimated_cycles"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(dnnctest.Succeed(t, "check", "-json", "-images", "4", path, "-target", "armv6m")), &checked))
	// A build may take slower kernels of less memory, up to 4 % (passes/machine): the lens has the fastest.
	assert.GreaterOrEqual(t, checked.Targets[0].Cycles, float64(instructions-4))
	assert.LessOrEqual(t, checked.Targets[0].Cycles, 1.04*float64(instructions))
	assert.Contains(t, list[4].Command.Title, fmt.Sprintf("4 layers with weights: %d bytes of weights, about ", checked.Targets[0].Bytes))

	open("didChange", "\n"+strings.Replace(source, "relu", "relux", 1))
	moved := lenses()
	require.Len(t, moved, 5, "what was known stays, where the names are now")
	assert.Equal(t, list[0].Range.Start.Line+1, moved[0].Range.Start.Line)
	open("didChange", "network n(x: f32[4] in [0,1]) -> f32[4] {\n  y = relu(x)\n  return y\n}\n")
	assert.Empty(t, lenses(), "no layer has weights")
	open("didChange", "nonsense")
	assert.Empty(t, lenses())
}

// TestLanguageServerMeetsNonsense: what is no message ends the session with an
// error, or is passed over; never with a panic.
func TestLanguageServerMeetsNonsense(t *testing.T) {
	for text, want := range map[string]string{
		"":                                         "",
		"GET / HTTP/1.1\r\n\r\n":                   "language server",
		"Content-Length: x\r\n\r\n":                "Content-Length",
		"Content-Length: -1\r\n\r\n":               "Content-Length",
		"Content-Length: 99\r\n\r\n{}":             "language server",
		"Content-Length: 2\r\n\r\n}{":              "",
		"Content-Length: 2\r\n\r\n[]":              "",
		"Content-Length: 2\r\n\r\n{}":              "",
		"Content-Length: 4\r\n\r\nnull":            "",
		"Content-Length: 99999999999999\r\n\r\n{}": "Content-Length",
	} {
		err := lsp.Serve(context.Background(), nil, strings.NewReader(text), io.Discard, io.Discard)
		if want == "" {
			assert.NoError(t, err, "%q", text)
		} else {
			assert.ErrorContains(t, err, want, "%q", text)
		}
	}
}
