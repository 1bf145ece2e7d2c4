package io.github.ferrofuse;

/**
 * How a cache does.
 *
 * @param capacity entries that it holds at most
 * @param size entries that it holds now
 * @param hits how often an entry was there
 * @param misses how often one had to be made
 */
public record CacheStats(int capacity, int size, long hits, long misses) {}
