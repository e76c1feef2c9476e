package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"sync"
)

// The few messages of the Language Server Protocol 3.17 that are spoken here, by
// the specification's names.

type request struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"` // of none for notifications
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
}

type response struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result"`
	Error   *responseError  `json:"error,omitempty"`
}

type responseError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// The protocol's error codes.
const (
	invalidParams  = -32602
	methodNotFound = -32601
	notInitialized = -32002
	invalidRequest = -32600
)

type notification struct {
	JSONRPC string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// Lines and characters count from 0, characters in units of UTF-16.
type position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

type span struct {
	Start position `json:"start"`
	End   position `json:"end"`
}

type location struct {
	URI   string `json:"uri"`
	Range span   `json:"range"`
}

type diagnostic struct {
	Range    span   `json:"range"`
	Severity int    `json:"severity"`
	Code     string `json:"code"`
	Source   string `json:"source"`
	Message  string `json:"message"`
}

type completionItem struct {
	Label         string `json:"label"`
	Kind          int    `json:"kind"`
	Detail        string `json:"detail,omitempty"`
	Documentation string `json:"documentation,omitempty"`
	InsertText    string `json:"insertText,omitempty"`
}

type textEdit struct {
	Range   span   `json:"range"`
	NewText string `json:"newText"`
}

type document struct {
	URI  string `json:"uri"`
	Text string `json:"text"`
}

// params holds what any of the messages may carry.
type params struct {
	TextDocument   document   `json:"textDocument"`
	Position       position   `json:"position"`
	ContentChanges []document `json:"contentChanges"`
}

// maxMessage bounds a message: a source of the greatest size, escaped.
const maxMessage = 16 << 20

// connection frames messages as the protocol's base does: headers, an empty line,
// as many bytes as Content-Length says.
type connection struct {
	in  *textproto.Reader
	mu  sync.Mutex
	out io.Writer
}

func newConnection(in io.Reader, out io.Writer) *connection {
	return &connection{in: textproto.NewReader(bufio.NewReader(in)), out: out}
}

func (c *connection) read() (*request, error) {
	head, err := c.in.ReadMIMEHeader()
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(head.Get("Content-Length"))
	if err != nil || n < 0 || n > maxMessage {
		return nil, fmt.Errorf("a message with the Content-Length %q", head.Get("Content-Length"))
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.in.R, body); err != nil {
		return nil, err
	}
	r := &request{}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, errors.Join(errNoJSON, err)
	}
	return r, nil
}

var errNoJSON = errors.New("a message that is no JSON")

func (c *connection) write(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = fmt.Fprintf(c.out, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return err
}
