// A timer that comes again for ever, each time a millisecond of virtual time later. Ends by fuel: timers are not free.
setInterval(() => {}, 1);
