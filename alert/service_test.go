package alert

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"lastwatt/clock"
	"lastwatt/rack"
)

// A request is what a service was asked.
type request struct{ Path, Title, Body string }

// A house is a local server that is told things.
type house struct {
	mu       sync.Mutex
	answer   int // the status; 0 is none at all
	requests []request
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	answer := h.answer
	h.requests = append(h.requests, request{r.URL.String(), r.Header.Get("Title"), string(body)})
	h.mu.Unlock()
	if answer == 0 {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(answer)
	io.WriteString(w, `{"code":50001,"error":"internal server error"}`) // as ntfy says it
}

func (h *house) set(answer int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *house) seen() []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]request(nil), h.requests...)
}

func startHouse(t *testing.T, answer int) (h *house, host string) {
	t.Helper()
	h = &house{answer: answer}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return h, strings.TrimPrefix(s.URL, "http://")
}

func TestServicesGetTitleAndBody(t *testing.T) {
	for _, c := range []struct {
		name, url string // without the host
		want      request
	}{
		{"ntfy", "ntfy://HOST/rack?disabletls=yes", request{"/rack", "On battery", "64 % charge."}},
		{"webhook", "generic+http://HOST/hook", request{"/hook", "", "On battery\n64 % charge."}},
		{"webhook with JSON", "generic+http://HOST/hook?template=json", request{"/hook", "", `{"message":"64 % charge.","title":"On battery"}`}},
		{"a service without titles", "signal://HOST/+15550001/+15550002?disabletls=yes",
			request{"/v2/send", "", `{"message":"On battery\n64 % charge.","number":"+15550001","recipients":["+15550002"]}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, host := startHouse(t, 200)
			send, err := newService(strings.Replace(c.url, "HOST", host, 1))
			if err != nil {
				t.Fatal(err)
			}
			if err := send(t.Context(), "On battery", "64 % charge."); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]request{c.want}, h.seen()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAServiceThatDoesNotTakeAMessageIsAnError(t *testing.T) {
	const closed = "127.0.0.1:1" // a port that was just closed may be another program's at once
	_, broken := startHouse(t, 500)
	for _, c := range []struct{ name, url, want string }{
		{"ntfy is down", "ntfy://user:hunter22@" + closed + "/s3cr3ttopic?disabletls=yes", "connection refused"},
		{"ntfy answers 500", "ntfy://user:hunter22@" + broken + "/s3cr3ttopic?disabletls=yes", "internal server error (50001)"},
		{"the webhook is down", "generic+http://" + closed + "/s3cr3ttopic?key=hunter22", "connection refused"},
		{"the webhook answers 500", "generic+http://" + broken + "/s3cr3ttopic?@Authorization=hunter22", "500 Internal Server Error"},
		{"gotify shows its token", "gotify://" + closed + "/Ahunter22abcdef?disabletls=yes", "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			send, err := newService(c.url)
			if err == nil {
				err = send(t.Context(), "On battery", "64 % charge.")
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %s", err, c.want)
			}
			for _, secret := range []string{"hunter22", "s3cr3ttopic"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %s: %v", secret, err)
				}
			}
		})
	}
}

func TestEveryServiceCanBeAskedForATitle(t *testing.T) {
	for _, name := range new(router.ServiceRouter).ListServices() {
		t.Run(name, func(t *testing.T) {
			service, err := new(router.ServiceRouter).NewService(name)
			if err != nil {
				t.Fatal(err)
			}
			hasTitle(service, &url.URL{Scheme: name}) // must not panic
		})
	}
}

func TestAMuteServiceIsLeftWhenTheTimeIsOver(t *testing.T) {
	for _, c := range []struct{ name, url string }{
		{"ntfy", "ntfy://HOST/rack?disabletls=yes"},
		{"webhook", "generic+http://HOST/hook"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, host := startHouse(t, 0)
			send, err := newService(strings.Replace(c.url, "HOST", host, 1))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- send(ctx, "On battery", "64 % charge.") }()
			for len(h.seen()) == 0 {
				time.Sleep(time.Millisecond)
			}
			cancel()
			if err := <-ended; err == nil {
				t.Error("it was told")
			}
		})
	}
}

// TestAServiceThatComesBackIsToldEverything is the whole way, with pauses that
// are milliseconds.
func TestAServiceThatComesBackIsToldEverything(t *testing.T) {
	h, host := startHouse(t, 500)
	urlFile := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(urlFile, []byte("ntfy://"+host+"/rack?disabletls=yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quick := clock.Real()
	quick.After = func(time.Duration) <-chan time.Time { return time.After(5 * time.Millisecond) }
	s, err := New([]Target{{URLFile: urlFile}}, quick, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.Send(rack.Event{Kind: rack.OnBattery, Severity: "warning", Text: "64 % charge."})
	s.Send(rack.Event{Kind: rack.OnMains, Severity: "info", Text: "After 3 min."})
	for len(h.seen()) < 3 {
		time.Sleep(time.Millisecond)
	}
	before := len(h.seen())
	h.set(200)
	for end := time.Now().Add(time.Minute); len(s.targets[0].queue) > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	var titles []string
	for _, r := range h.seen()[before:] {
		if len(titles) == 0 || titles[len(titles)-1] != r.Title {
			titles = append(titles, r.Title)
		}
	}
	if diff := cmp.Diff([]string{"On battery", "Mains is back"}, titles); diff != "" {
		t.Error(diff)
	}
}

func TestATargetThatCannotWorkIsRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		target Target
		want   string
	}{
		{"nothing", Target{}, "alert target 1: give either a url or a url_file"},
		{"both", Target{URL: "ntfy://h/t", URLFile: "f"}, "alert target 1: give either a url or a url_file"},
		{"no file", Target{URLFile: "/nowhere"}, "alert target 1: reading the url: open /nowhere: no such file or directory"},
		{"an empty file", Target{URLFile: empty}, `alert target 1: reading the url: the first line of "` + empty + `" is empty`},
		{"severity", Target{URL: "ntfy://h/t", From: "high"}, `alert target 1: severity "high": write info, warning or critical`},
		{"no URL", Target{URL: "hunter22"}, "alert target 1: its url is none: write SERVICE://..., as the documentation of shoutrrr says"},
		{"no service", Target{URL: "smoke://hunter22/x"}, `alert target 1: its url is not right: unknown service: "smoke"`},
		{"no topic", Target{URL: "ntfy://user:hunter22@ntfy.lan"}, "alert target 1: its url is not right: ntfy: topic is required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New([]Target{c.target}, clock.Real(), slog.New(slog.DiscardHandler))
			if err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func TestSecretsAreHiddenAndTheRestIsReadable(t *testing.T) {
	for _, c := range []struct{ name, url, err, want string }{
		{"a token in another URL", "telegram://110201543:AAHdqTcvCH1@telegram?chats=@rack", `Post "https://api.telegram.org/bot110201543:AAHdqTcvCH1/sendMessage": EOF`,
			`Post "https://api.***.org/bot***:***/sendMessage": EOF`},
		{"a key as host", "pushover://shoutrrr:APPTOKEN@USERKEY/", "USERKEY: bad token APPTOKEN", "***: bad token ***"},
		{"a token in parts", "slack://hook:AAAA-BBBB-CCCC@webhook", "https://hooks.slack.com/services/AAAA/BBBB/CCCC: 404", "https://***s.slack.com/services/***/***/***: 404"},
		{"an escaped password", "ntfy://u:p%40ss%2Fword@ntfy.lan/rack", "p@ss/word or p%40ss%2Fword at ntfy.lan", "*** or *** at ntfy.lan"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newScrubber(c.url).error(errors.New(c.err)).Error(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
