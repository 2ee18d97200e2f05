"""An event loop whose time-outs are not rounded up to whole milliseconds, as epoll's are."""
import asyncio, resource, select, selectors


class Selector(selectors.EpollSelector):
    def select(self, timeout=None):
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def run(coroutine):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.SelectorEventLoop(Selector())
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(coroutine)
