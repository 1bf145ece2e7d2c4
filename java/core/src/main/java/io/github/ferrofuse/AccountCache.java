package io.github.ferrofuse;

import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.LongSupplier;

/**
 * Remembers the answers to some questions for some time. Those who ask the same thing at the same
 * time share one call, and what it throws. Nothing is called under the lock.
 */
final class AccountCache<K, V> {
  private final int capacity;
  private final long lifetimeNanos;
  private final LongSupplier nanoTime;

  /** Guarded by itself, as are the counts. What was not asked for the longest comes first. */
  private final Map<K, Answer<V>> answers = new LinkedHashMap<>(16, 0.75f, true);

  private long hits;
  private long misses;

  /** Answers a question; never null. */
  interface Call<K, V> {
    V ask(K key) throws IOException;
  }

  AccountCache(int capacity, Duration lifetime, LongSupplier nanoTime) {
    if (capacity < 1) {
      throw new IllegalArgumentException("a capacity of " + capacity + ": it must be at least 1");
    }
    if (lifetime.isNegative()) {
      throw new IllegalArgumentException("a negative lifetime: " + lifetime);
    }
    this.capacity = capacity;
    this.lifetimeNanos = nanos(lifetime);
    this.nanoTime = nanoTime;
  }

  V get(K key, Call<K, V> call) throws IOException {
    Answer<V> answer;
    boolean known;
    synchronized (answers) {
      answer = answers.get(key);
      known = answer != null && !expired(answer);
      if (known) {
        hits++;
      } else {
        misses++;
        answer = new Answer<>();
        answers.put(key, answer);
        forgetOldest();
      }
    }
    if (!known) {
      ask(key, call, answer);
    }
    return answer.await();
  }

  long hits() {
    synchronized (answers) {
      return hits;
    }
  }

  long misses() {
    synchronized (answers) {
      return misses;
    }
  }

  private void ask(K key, Call<K, V> call, Answer<V> answer) {
    try {
      V value = call.ask(key);
      answer.since = nanoTime.getAsLong();
      answer.value.complete(value);
    } catch (Throwable thrown) {
      synchronized (answers) {
        answers.remove(key, answer);
      }
      answer.value.completeExceptionally(thrown);
    }
  }

  /** One that is not there yet is as fresh as can be. */
  private boolean expired(Answer<V> answer) {
    return answer.value.isDone() && nanoTime.getAsLong() - answer.since >= lifetimeNanos;
  }

  private void forgetOldest() {
    if (answers.size() > capacity) {
      answers.remove(answers.keySet().iterator().next());
    }
  }

  /** Three centuries are as good as ever. */
  private static long nanos(Duration lifetime) {
    try {
      return lifetime.toNanos();
    } catch (ArithmeticException e) {
      return Long.MAX_VALUE;
    }
  }

  private static final class Answer<V> {
    final CompletableFuture<V> value = new CompletableFuture<>();

    /** When it came; written before it is there, read after. */
    long since;

    V await() throws IOException {
      try {
        return value.join();
      } catch (CompletionException e) {
        Throwable cause = e.getCause();
        if (cause instanceof IOException) {
          throw (IOException) cause;
        }
        throw new IllegalStateException("the source of users and groups failed", cause);
      }
    }
  }
}
