"""First come, first served."""

import threading
import time

from generation.turns import Turns


def test_order_of_arrival_and_places():
    turns = Turns()
    places = [turns.join() for _ in range(4)]
    assert [place.ahead for place in places] == [0, 1, 2, 3]
    assert places[0].wait(0)
    assert not places[1].wait(0)
    places[2].leave()
    places[2].leave()
    assert [places[number].ahead for number in (0, 1, 3)] == [0, 1, 2]
    served = []

    def serve(number):
        while not places[number].wait(5):
            pass
        served.append(number)
        time.sleep(0.01)
        assert len(served) == 1 + (0, 1, 3).index(number), "two were served at once"
        places[number].leave()

    threads = [threading.Thread(target=serve, args=(number,)) for number in (3, 1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert served == [0, 1, 3]
    assert len(turns) == 0
