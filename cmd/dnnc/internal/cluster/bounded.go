package cluster

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
)

// What a server may send at a time. The library makes room for a message of any size that the server
// names, and reads a line of any length.
const (
	maxLine    = 64 << 10
	maxMessage = 8 << 20 // blobs come in pieces of 128 KiB, answers have at most maxAnswer
)

// dialer connects to servers whose lines and messages are bounded.
type dialer struct {
	net.Dialer
	byTLS bool
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return &bounded{Conn: c, protocol: protocol{byTLS: d.byTLS}}, nil
}

// bounded is a connection that ends where its server sends too much.
type bounded struct {
	net.Conn
	protocol protocol
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if fault := b.protocol.read(p[:n]); fault != nil {
		return 0, fault
	}
	return n, err
}

// protocol follows what a server of NATS sends, as far as its sizes go: lines, and after the lines
// MSG and HMSG as many bytes as the last word says.
type protocol struct {
	byTLS  bool
	line   []byte
	skip   int  // bytes of a message that are to come
	hidden bool // the rest is of TLS, whose server is certified
}

func (p *protocol) read(b []byte) error {
	for len(b) > 0 && !p.hidden {
		if n := min(p.skip, len(b)); n > 0 {
			p.skip, b = p.skip-n, b[n:]
			continue
		}
		part, rest, ends := bytes.Cut(b, []byte("\n"))
		if len(p.line)+len(part) > maxLine {
			return fmt.Errorf("the server sends a line of more than %d bytes", maxLine)
		}
		p.line, b = append(p.line, part...), rest
		if !ends {
			return nil
		}
		if err := p.control(p.line); err != nil {
			return err
		}
		p.line = p.line[:0]
	}
	return nil
}

// control reads a line.
func (p *protocol) control(line []byte) error {
	words := bytes.Fields(line)
	if len(words) == 0 {
		return nil
	}
	switch string(bytes.ToUpper(words[0])) {
	case "INFO":
		p.hidden = p.byTLS || bytes.Contains(line, []byte(`"tls_required":true`))
	case "MSG", "HMSG":
		size, err := strconv.ParseUint(string(words[len(words)-1]), 10, 63)
		if err != nil || size > maxMessage {
			return fmt.Errorf("the server sends a message of %.20q bytes, more than %d", words[len(words)-1], maxMessage)
		}
		p.skip = int(size) + len("\r\n")
	}
	return nil
}
