/** The longest message that is read. kubectl's are 32 KiB at most. */
export const maxMessageBytes = 4 * 1024 * 1024;
/** What one read takes from the connection. */
export const readBytes = 64 * 1024;
