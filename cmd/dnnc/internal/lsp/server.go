// Package lsp serves editors: diagnostics, hover with types and sizes, go to
// definition, completion, formatting, and lenses with what each layer takes, in the Language Server Protocol over
// standard input and output.
package lsp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path/filepath"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
)

// server is one session with an editor.
type server struct {
	conn     *connection
	files    map[string]*file // by URI
	target   *processor.Target
	ready    bool
	shutdown bool
}

// file is an open text.
type file struct {
	path, text string
	module     *ir.Module // of the last text that was sound
	costs      []cost     // of its layers, once an editor asked; nil before
}

// Serve answers an editor until it says exit or hangs up.
func Serve(ctx context.Context, _ []string, stdin io.Reader, stdout, _ io.Writer) error {
	s := &server{conn: newConnection(stdin, terminal.Raw(stdout)), files: map[string]*file{}}
	for ctx.Err() == nil {
		r, err := s.conn.read()
		switch {
		case errors.Is(err, errNoJSON):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return diag.New(diag.Pos{}, diag.BadFile, "language server: %v", err)
		case r.Method == "exit":
			if !s.shutdown {
				return diag.New(diag.Pos{}, diag.BadFile, "language server: exit without shutdown")
			}
			return nil
		}
		if err := s.handle(r); err != nil {
			return diag.New(diag.Pos{}, diag.BadOutput, "language server: %v", err)
		}
	}
	return ctx.Err()
}

// requests are answered, notifications not.
var requests = map[string]func(s *server, f *file, p *params) any{
	"textDocument/hover":      (*server).hover,
	"textDocument/definition": (*server).definition,
	"textDocument/completion": (*server).completion,
	"textDocument/formatting": (*server).formatting,
	"textDocument/codeLens":   (*server).codeLens,
}

func (s *server) handle(r *request) error {
	answer := func(result any, e *responseError) error {
		if r.ID == nil {
			return nil
		}
		return s.conn.write(response{JSONRPC: "2.0", ID: r.ID, Result: result, Error: e})
	}
	switch {
	case r.Method == "initialize":
		if err := s.initialize(r.Params); err != nil {
			return answer(nil, &responseError{invalidParams, err.Error()})
		}
		s.ready = true
		return answer(capabilities, nil)
	case !s.ready:
		return answer(nil, &responseError{notInitialized, "initialize comes first"})
	case r.Method == "shutdown":
		s.shutdown = true
		return answer(nil, nil)
	case s.shutdown:
		return answer(nil, &responseError{invalidRequest, "the server was shut down"})
	}
	var p params
	if len(r.Params) > 0 {
		if err := json.Unmarshal(r.Params, &p); err != nil {
			return answer(nil, &responseError{invalidParams, err.Error()})
		}
	}
	uri := p.TextDocument.URI
	switch r.Method {
	case "textDocument/didOpen":
		return s.changed(uri, p.TextDocument.Text)
	case "textDocument/didChange": // whole texts, as capabilities ask for
		if n := len(p.ContentChanges); n > 0 {
			return s.changed(uri, p.ContentChanges[n-1].Text)
		}
		return nil
	case "textDocument/didClose":
		delete(s.files, uri)
		return s.publish(uri, []diagnostic{})
	}
	do := requests[r.Method]
	if do == nil {
		return answer(nil, &responseError{methodNotFound, r.Method})
	}
	f := s.files[uri]
	if f == nil {
		return answer(nil, &responseError{invalidParams, uri + " is not open"})
	}
	return answer(do(s, f, &p), nil)
}

// initialize takes the settings of an editor.
func (s *server) initialize(raw json.RawMessage) (err error) {
	var p settings
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
	}
	s.target, err = processor.Find(cmp.Or(p.InitializationOptions.Target, defaultTarget))
	return err
}

// capabilities are what the server can do.
var capabilities = map[string]any{
	"capabilities": map[string]any{
		"textDocumentSync":           1, // whole texts
		"hoverProvider":              true,
		"definitionProvider":         true,
		"completionProvider":         map[string]any{"triggerCharacters": []string{"(", ",", "="}},
		"documentFormattingProvider": true,
		"codeLensProvider":           map[string]any{},
	},
	"serverInfo": map[string]string{"name": "dnnc"},
}

// changed takes in a text and says what is wrong with it.
func (s *server) changed(uri, text string) error {
	f := s.files[uri]
	if f == nil {
		f = &file{path: pathOf(uri)}
		s.files[uri] = f
	}
	f.text = text
	m, err := frontend.Parse(f.path, []byte(text), frontend.Options{})
	if err == nil {
		err = ir.Infer(m).Err()
	}
	if err == nil {
		f.module, f.costs = m, nil
	}
	return s.publish(uri, f.diagnostics(err))
}

func (s *server) publish(uri string, list []diagnostic) error {
	return s.conn.write(notification{"2.0", "textDocument/publishDiagnostics", map[string]any{"uri": uri, "diagnostics": list}})
}

// diagnostics are those of an error, at the words that they point to.
func (f *file) diagnostics(err error) []diagnostic {
	out := []diagnostic{}
	if err == nil {
		return out
	}
	var list diag.List
	var one *diag.Diagnostic
	switch {
	case errors.As(err, &list):
	case errors.As(err, &one):
		list = diag.List{one}
	default:
		list = diag.List{diag.New(diag.Pos{}, diag.BadFile, "%v", err)}
	}
	for _, d := range list {
		message := d.Message
		for _, more := range []string{d.Note, d.Help} {
			if more != "" {
				message += "\n" + more
			}
		}
		out = append(out, diagnostic{Range: f.wordAt(d.Pos), Severity: 1, Code: string(d.Kind), Source: "dnnc", Message: message})
	}
	return out
}

// pathOf is the path of a URI; any other than of a file is taken as a name.
func pathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return filepath.Base(uri)
	}
	return filepath.FromSlash(u.Path)
}
