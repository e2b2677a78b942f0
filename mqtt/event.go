package mqtt

import (
	"time"

	"lastwatt/rack"
)

// An eventDoc is what the event topic says. Home Assistant's event entity
// demands event_type and makes attributes of the rest.
type eventDoc struct {
	Type     string     `json:"event_type"`
	At       *time.Time `json:"at"`
	Outage   *string    `json:"outage"`
	Node     *string    `json:"node"`
	Severity string     `json:"severity"`
	Text     string     `json:"text"`
}

// EventMessages is one event as a message. It is not retained: an event that
// comes again with every new subscriber would be a false one.
func EventMessages(e rack.Event, o Options) []Message {
	d := eventDoc{e.Kind, instant(e.At), text(e.Outage), text(e.Node), e.Severity, e.Text}
	return []Message{{Topic: o.topic("event"), Payload: marshal(d), QoS: 1}}
}
