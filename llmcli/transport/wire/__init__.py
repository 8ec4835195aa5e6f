"""The wire: every byte that llmcli sends to a server or gets from one goes through this room.

It has one seam, `await Wire().exchange(head, body) -> WireReply`, and knows nothing of models, keys or answers: a
head is a method, an address, headers and times; a reply is a status, headers, and a body that is there whole or
comes in pieces. What goes wrong on the way is a `Break`, which says how far the exchange had come.

How a request goes through it:

1. A transport makes a `Head` once for an address and a key (`heads.py`), and hands it over with each body.
2. `Wire` (`exchange.py`) takes an easy handle of libcurl that is free. Where it was last used for the same head,
   only the body is new; else it is set up for this one (`handles.py`), with the proxy that the environment's rules
   give for the address (`proxies.py`) and with certificates (`trust.py`). A long body is read as it goes out
   (`outflow.py`). Until an https address has answered, a server that takes long to speak TLS is asked whether it
   speaks plain HTTP (`plain.py`).
   For a crowd a name is looked up here, once (`names.py`): of hundreds of look-ups at a time, libcurl loses some.
3. The handle joins one of the multi handles that `Drive` (`drive.py`) runs under the event loop. libcurl says which
   sockets it waits for; those are watched by a selector of their own, and the loop watches that selector alone.
4. Header lines and pieces of the body are appended to lists by libcurl itself; a whole reply costs no call into
   Python on its way but the one that ends it. A streamed one wakes its reader at each piece, and is held back (paused)
   where the reader falls behind. `Wire.send` is the same for one who does not wait: a call when the reply is there,
   and no coroutine, along a way that an exchange has gone before.
5. Bodies come as they were sent. What is compressed is unpacked here (`unpack.py`), within a bound.
6. A connection that was kept open and turns out to be closed is no attempt: libcurl, and where it does not, `Wire`
   sends once more on a fresh one, as long as nothing of a reply has come. So it is where a server closed before the
   body was out: what it answered may have been lost behind the break.

A cancelled exchange closes its connection at once, which is what makes servers stop generating.
"""
