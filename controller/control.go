package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// Tokens makes the tokens that nodes join with.
type Tokens interface {
	NewToken(node string, expires time.Duration) (string, error)
}

// Control serves people and programs on this machine over a Unix socket: its
// group reads, root and the daemon's own user order.
type Control struct {
	Controller *Controller
	Tokens     Tokens
	Log        *slog.Logger
}

// Listen makes the socket at path for its group; a socket that nobody serves
// any more is replaced, anything else that stands there is not.
func Listen(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("listen on %q: there is something that is no socket: move it away", path)
		}
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return nil, fmt.Errorf("listen on %q: another controller serves it", path)
		}
		os.Remove(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("listen on %q: %w", path, err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		ln.Close()
		return nil, fmt.Errorf("listen on %q: %w", path, err)
	}
	return ln, nil
}

// uidKey is where a request's context has the caller's user id.
type uidKey struct{}

// Serve answers requests until ctx ends. Who calls before the controller has
// looked at anything waits for its first snapshot.
func (s *Control) Serve(ctx context.Context, ln net.Listener) error {
	select {
	case <-s.Controller.begun:
	case <-ctx.Done():
		ln.Close()
		return ctx.Err()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/snapshot", s.snapshot)
	mux.HandleFunc("GET /v1/events", s.events)
	for _, order := range []string{"arm", "observe", "abort"} {
		mux.HandleFunc("POST /v1/"+order, func(w http.ResponseWriter, r *http.Request) { s.order(w, r, order) })
	}
	mux.HandleFunc("POST /v1/token", s.token)
	srv := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, uidKey{}, peerUID(c))
		},
	}
	stopped := context.AfterFunc(ctx, func() { srv.Close() })
	defer stopped()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return ctx.Err()
}

func (s *Control) snapshot(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, s.Controller.Snapshot())
}

// events sends the story so far, then each line as it is told.
func (s *Control) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/jsonl")
	_, changed, cancel := s.Controller.Subscribe()
	defer cancel()
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	n := 0
	for {
		events, now := s.Controller.eventsSince(n)
		n = now
		for _, e := range events {
			if out.Encode(e) != nil {
				return
			}
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Control) order(w http.ResponseWriter, r *http.Request, order string) {
	by, ok := s.mayOrder(w, r)
	if !ok {
		return
	}
	if err := s.Controller.Operate(r.Context(), order, by); err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"mode": s.Controller.Snapshot().Mode})
}

func (s *Control) token(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.mayOrder(w, r); !ok {
		return
	}
	var req struct {
		Node     string `json:"node"`
		ExpiresS int    `json:"expires_s"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("read the request: %w", err))
		return
	}
	if req.ExpiresS <= 0 {
		req.ExpiresS = 3600
	}
	token, err := s.Tokens.NewToken(req.Node, time.Duration(req.ExpiresS)*time.Second)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	s.Log.Info("token made", "node", req.Node, "expires_s", req.ExpiresS)
	answer(w, http.StatusOK, map[string]string{"token": token})
}

// mayOrder is who asks, if it may order: root, or the user the daemon runs as.
func (s *Control) mayOrder(w http.ResponseWriter, r *http.Request) (string, bool) {
	uid, _ := r.Context().Value(uidKey{}).(int)
	if uid != 0 && uid != os.Geteuid() {
		refuse(w, http.StatusForbidden, fmt.Errorf("user id %d may read but not order: run it as root, or with sudo", uid))
		return "", false
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username, true
	}
	return fmt.Sprintf("uid %d", uid), true
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]string{"error": err.Error()})
}
