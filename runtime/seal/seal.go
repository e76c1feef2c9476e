// Package seal gives a JSON text the hash of itself as its last member, and holds a text to
// it. A seal finds what a disk, a transfer or an editor changed. It is no signature: whoever
// changes a text can seal it again.
package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
)

// The faults of a text.
var (
	ErrNone    = errors.New("it has no sum at its end: it was changed since it was written, or an earlier dnnc wrote it")
	ErrChanged = errors.New("its bytes are not those that were summed: it was changed since it was written")
)

// Add returns a JSON object, which has members, with one more at its end: "sum", the sha256 of
// the text as it is without it. The member is indented as the last one is.
func Add(text []byte) []byte {
	end := bytes.LastIndexByte(text, '}')
	members := bytes.TrimRight(text[:end], "\n")
	before, after := "", `"sum":"`
	if len(members) < end {
		last := members[bytes.LastIndexByte(members, '\n')+1:]
		before, after = "\n"+string(last[:len(last)-len(bytes.TrimLeft(last, " "))]), `"sum": "`
	}
	sum := sha256.Sum256(text)
	member := "," + before + after + hex.EncodeToString(sum[:]) + `"`
	return append(append(bytes.Clone(members), member...), text[len(members):]...)
}

// JSON is a value as text with the given indent, sealed. The value has no sum.
func JSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return Add(b.Bytes()), nil
}

var member = regexp.MustCompile(`,(?:\n *)?"sum": ?"[0-9a-f]{64}"(\n?}\n?)$`)

// Check fails unless a text is one that Add returned, to the last byte.
func Check(text []byte) error {
	// The member and what follows it are short; the expression would search all of the text.
	tail := text[max(0, len(text)-128):]
	at := member.FindSubmatchIndex(tail)
	if at == nil {
		return ErrNone
	}
	content := append(bytes.Clone(text[:len(text)-len(tail)+at[0]]), tail[at[2]:at[3]]...)
	if !bytes.Equal(Add(content), text) {
		return ErrChanged
	}
	return nil
}
