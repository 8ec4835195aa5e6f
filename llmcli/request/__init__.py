"""What the user said -> a Request. Pure: no network, no clock; reads only the files it was told to."""
