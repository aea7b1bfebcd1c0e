"""Trees of buffers behind nets with many sinks.

ABC buffers what gates drive, but neither registers nor ports: one net may drive a thousand cells. A flow that lays
out a design mends that first, and so do these trees.
"""

MOST_SINKS = 16


def insert(netlist, kinds, buffer, kept):
    """The cells of a netlist (synthesise.py), with trees on nets of more than `MOST_SINKS` sinks but those in `kept`.

    `kinds` are the library's cells (liberty.py).
    """
    cells = [(kind, dict(pins)) for kind, pins in netlist["cells"]]
    sinks = {}
    for number, (kind, pins) in enumerate(cells):
        for pin, (bit, *_) in pins.items() if kind in kinds else ():
            if kinds[kind].pins[pin].direction == "input" and isinstance(bit, int) and bit not in kept:
                sinks.setdefault(bit, []).append((number, pin))
    used = [bits for _, bits in netlist["ports"].values()] + [bits for _, pins in cells for bits in pins.values()]
    last = max((bit for bits in used for bit in bits if isinstance(bit, int)), default=1)
    into, out = (next(p for p, pin in kinds[buffer].pins.items() if pin.direction == way) for way in ("input", "output"))
    for net, places in sinks.items():
        while len(places) > MOST_SINKS:
            above = []
            for start in range(0, len(places), MOST_SINKS):
                last += 1
                for number, pin in places[start : start + MOST_SINKS]:
                    cells[number][1][pin] = [last]
                above.append((len(cells), into))
                cells.append((buffer, {into: [net], out: [last]}))
            places = above
    return cells
