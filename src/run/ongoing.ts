/** Work under way: a promise of its result that can also be iterated for its events. */
export class Ongoing<Result, Event> implements PromiseLike<Result>, AsyncIterable<Event> {
  readonly #result: Promise<Result>;
  readonly #events: Event[] = [];
  #wake: () => void = () => {};
  #ended = false;

  /** @param start - begins the work; what it hands to `record` are the events */
  constructor(start: (record: (event: Event) => void) => Promise<Result>) {
    this.#result = start((event) => {
      this.#events.push(event);
      this.#wake();
    }).finally(() => {
      this.#ended = true;
      this.#wake();
    });
    // Whoever only iterates gets the error from the iteration.
    this.#result.catch(() => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited like a promise
  then<A = Result, B = never>(
    onFulfilled?: ((result: Result) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onFulfilled, onRejected);
  }

  /** All events from the start on. Ends with the work; throws what the work throws. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event> {
    for (let next = 0; ; ) {
      if (next < this.#events.length) {
        yield this.#events[next++]!;
      } else if (this.#ended) {
        await this.#result;
        return;
      } else {
        const previous = this.#wake;
        await new Promise<void>((resolve) => {
          this.#wake = () => {
            previous();
            resolve();
          };
        });
      }
    }
  }
}
