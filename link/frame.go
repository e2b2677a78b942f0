package link

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// A frame is one line of JSON; exactly one of its fields is set.
type frame struct {
	Hello  *hello      `json:"hello,omitempty"`
	Lease  *leaseFrame `json:"lease,omitempty"`
	Order  *orderFrame `json:"order,omitempty"`
	Cancel string      `json:"cancel,omitempty"` // the id of an order
	Result *Result     `json:"result,omitempty"`
	Report *report     `json:"report,omitempty"`
	// State is what an agent says when something about itself changed, and
	// as the answer to each lease.
	State *Peer `json:"state,omitempty"`
}

// A hello is what each side says first. The nonces of both make the session.
type hello struct {
	Protocol int    `json:"protocol"`
	Nonce    string `json:"nonce"`
	Peer     *Peer  `json:"peer,omitempty"` // the agent's
}

// Leases and orders count up within a session; what does not is a replay.
type leaseFrame struct {
	Session string `json:"session"`
	Seq     uint64 `json:"seq"`
	Lease
}

type orderFrame struct {
	Session string `json:"session"`
	Seq     uint64 `json:"seq"`
	Node    string `json:"node"`
	Order
}

// maxLine bounds what one side makes the other keep in memory.
const maxLine = 1 << 20

// silence is after how long without a frame a connection is taken for dead, in
// real time: a node whose power went sends no goodbye.
const silence = 10 * time.Second

// writeTime bounds one write: a peer that does not read is dead.
const writeTime = 5 * time.Second

// A wire sends and receives frames. Sends may come from any goroutine, receives
// from one.
type wire struct {
	conn net.Conn
	r    *bufio.Reader

	mu     sync.Mutex // over what follows, and over writes
	queued []byte     // lines that go out with the next write
}

// send writes f, after what is queued.
func (w *wire) send(f frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.add(f); err != nil {
		return err
	}
	return w.write()
}

// queue leaves f to the next write.
func (w *wire) queue(f frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.add(f)
}

// flush writes what is queued.
func (w *wire) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queued) == 0 {
		return nil
	}
	return w.write()
}

func (w *wire) add(f frame) error {
	data, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if len(data) >= maxLine {
		return fmt.Errorf("send: %d bytes are more than a line may have", len(data))
	}
	w.queued = append(append(w.queued, data...), '\n')
	return nil
}

func (w *wire) write() error {
	w.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := w.conn.Write(w.queued)
	w.queued = w.queued[:0]
	return err
}

func (w *wire) receive() (frame, error) {
	var f frame
	w.conn.SetReadDeadline(time.Now().Add(silence))
	line, err := readLine(w.r)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(line, &f); err != nil {
		return f, fmt.Errorf("receive: %w", err)
	}
	return f, nil
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, errors.New("receive: the line is longer than 1 MiB")
		}
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}

func newNonce() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// session is what both sides make of their nonces, the controller's first.
func session(controller, agent string) string {
	sum := sha256.Sum256([]byte(controller + "|" + agent))
	return hex.EncodeToString(sum[:16])
}
