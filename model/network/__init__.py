"""The layers as data, and the network built from them on a placement of devices."""
