package alert

import (
	"fmt"
	"strings"
	"time"

	"lastwatt/rack"
)

// late is the age from which on a message says that it is old.
const late = time.Minute

// compose is an event as a message: what happened, when, what it means and what
// comes next. age is how long it waited.
func compose(e rack.Event, age time.Duration) (title, body string) {
	title, meaning := words(e.Kind)
	if e.Node != "" {
		title += ": " + e.Node
	}
	var lines []string
	if e.Text != "" {
		lines = append(lines, e.Text)
	}
	if meaning != "" {
		lines = append(lines, meaning)
	}
	switch {
	case age >= late && !e.At.IsZero():
		lines = append(lines, fmt.Sprintf("Sent late: this was %s ago, at %s.", roughly(age), e.At.Format("15:04:05 on 2 January")))
	case age >= late:
		lines = append(lines, fmt.Sprintf("Sent late: this was %s ago.", roughly(age)))
	case !e.At.IsZero():
		lines = append(lines, e.At.Format("At 15:04:05."))
	}
	return title, strings.Join(lines, "\n")
}

func roughly(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// words are the title of a kind of event, and what it means and what is next;
// the numbers are in the event's own text. An unknown kind is its own title.
func words(kind string) (title, meaning string) {
	switch kind {
	case rack.OnBattery:
		return "On battery", "Mains is gone, the UPS carries the rack. If mains stays away, the plan runs: see lastwatt plan."
	case rack.OnMains:
		return "Mains is back", "The UPS has power again. Once it stays, what was stopped is brought back; you will be told."
	case rack.Stage:
		return "Load is shed", "This makes the battery last longer. It is undone when mains is back, unless it is set to stay off."
	case rack.Stopping:
		return "Nodes are being stopped", "The battery will not last much longer. If mains comes back before the last moment, this is undone."
	case rack.Committed:
		return "The stop goes through", "From here it is finished even if mains comes back; the rack then starts again by itself."
	case rack.CutArmed:
		return "The UPS will switch off", "Its outlets go off in a moment, and on again when mains is back."
	case rack.Dark:
		return "The rack goes dark", "Everything is stopped. The next message comes when mains is back and the rack has started."
	case rack.Recovering:
		return "The rack starts again", "Services are brought back one after the other; you will be told when all is as before."
	}
	return laterWords(kind)
}

// laterWords are those of the kinds that are not a turn of the outage itself.
func laterWords(kind string) (title, meaning string) {
	switch kind {
	case rack.Restored:
		return "All is as before", "What was changed in the outage is restored. There is nothing to do."
	case rack.Incomplete:
		return "Not all came back", "Something that ran before the outage does not run now. Look at lastwatt status."
	case rack.Undone:
		return "Taken back in time", "Mains came back before any node had to be switched off. There is nothing to do."
	case rack.ContactLost:
		return "Contact lost", "What cannot be seen cannot be acted on. Check the cable and the device: see lastwatt status."
	case rack.ContactBack:
		return "Contact is back", "It can be seen again. There is nothing to do."
	case rack.NodeStopped:
		return "Node stopped", "It comes back with the rack."
	case rack.NodeBack:
		return "Node is back", "It takes part again."
	case rack.StepFailed:
		return "A step failed", "Lastwatt goes on without it. Look into it when the outage is over: see lastwatt status."
	case rack.ModeChanged:
		return "Mode changed", "Armed acts on an outage, observe only watches and tells."
	case rack.Health:
		return "Needs attention", "In an outage this would go wrong. See lastwatt status."
	}
	return partWords(kind)
}

// partWords are those of the kinds that tell of a part of the rack.
func partWords(kind string) (title, meaning string) {
	switch kind {
	case rack.FanStalled:
		return "Fan stands still", "Nothing is stopped for it. Look for what blocks it, and at its plug, before something gets too hot."
	case rack.RailLow:
		return "Bad supply voltage", "What hangs on it may fail. Check the supply, its load and its cable."
	case rack.UnderVoltage:
		return "Under-voltage", "It slows down, and may fail. Use a supply and a cable that hold 5 V under load."
	case rack.NodeHot:
		return "Too hot", "Cool it, or take load off it, before it slows down or stops."
	case rack.OutputWrong:
		return "Relay or pin is wrong", "What it switches may be off or on against what was ordered. Look for a short, a weld, or something else that drives it."
	case rack.Disputed:
		return "Mains is disputed", "A witness and the UPS disagree, and nothing is stopped for the witness alone. Check its wiring, and the UPS."
	case rack.PartBack:
		return "Well again", "There is nothing to do."
	}
	return kind, ""
}
